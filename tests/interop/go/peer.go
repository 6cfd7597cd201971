// A TLS client and a TLS server of Go's crypto/tls, told by flags what to be.
//
// Both print one JSON object for each connection: what was agreed, who the peer is, what was heard, and how
// it failed. The server first prints "listening PORT", echoes, and ends when its input does.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"reflect"
	"strings"
	"time"
)

var (
	listen = flag.Bool("listen", false, "be a server")
	addr   = flag.String("addr", "127.0.0.1:0", "where to listen, or whom to call")
	name   = flag.String("name", "localhost", "the server's name, for a client")
	cert   = flag.String("cert", "", "our chain")
	key    = flag.String("key", "", "our key")
	ca     = flag.String("ca", "", "whom we trust")
	auth   = flag.String("auth", "none", "none, request or require a client's certificate")
	groups = flag.String("groups", "", "names of key exchange groups")
	alpn   = flag.String("alpn", "", "application protocols")
	oldest = flag.Bool("tls12", false, "speak TLS 1.2 alone")
	suites = flag.String("suites", "", "names of the cipher suites of TLS 1.2, insecure ones too")
	say    = flag.String("say", "", "what a client says")
	times  = flag.Int("times", 1, "how often a client calls, with what it may resume")
	staple = flag.String("staple", "", "an OCSP response to send along with our chain")
	ech    = flag.String("ech", "", "the configurations, in base64, by which a client encrypts its hello")
	echKey = flag.String("ech-key", "", "the keys, in base64, with which a server decrypts hellos: KEY:CONFIG,...")
)

type report struct {
	Error   string `json:"error"`
	Alert   int    `json:"alert"`
	Version string `json:"version"`
	Suite   string `json:"suite"`
	Group   string `json:"group"`
	Alpn    string `json:"alpn"`
	Retried bool   `json:"retried"`
	Resumed bool   `json:"resumed"`
	Peer    string `json:"peer"`
	Name    string `json:"name"`
	Staple  []byte `json:"staple"`
	Ech     bool   `json:"ech"`
	Retry   []byte `json:"retry"`
	Heard   string `json:"heard"`
}

func main() {
	flag.Parse()
	config := configuration()
	if *listen {
		serve(config)
		return
	}
	if *times > 1 {
		config.ClientSessionCache = tls.NewLRUClientSessionCache(8)
	}
	for range *times {
		conn, err := net.DialTimeout("tcp", *addr, 10*time.Second)
		if err != nil {
			fatal(err)
		}
		tell(call(tls.Client(conn, config)))
	}
}

func serve(config *tls.Config) {
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		fatal(err)
	}
	fmt.Printf("listening %d\n", listener.Addr().(*net.TCPAddr).Port)
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	for {
		conn, err := listener.Accept()
		if err != nil {
			fatal(err)
		}
		tell(echo(tls.Server(conn, config)))
	}
}

// call says what there is to say, ends its side, and hears the server out.
func call(conn *tls.Conn) report {
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	if err := conn.Handshake(); err != nil {
		return failed(conn, err)
	}
	// A server that refuses us may have gone: its alert is met by reading.
	io.WriteString(conn, *say)
	conn.CloseWrite()
	heard, err := io.ReadAll(conn)
	return facts(conn, heard, err)
}

// echo sends back what it hears, piece by piece, until the client is done.
func echo(conn *tls.Conn) report {
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	if err := conn.Handshake(); err != nil {
		return failed(conn, err)
	}
	var heard []byte
	piece := make([]byte, 64*1024)
	for {
		n, err := conn.Read(piece)
		heard = append(heard, piece[:n]...)
		if n > 0 {
			conn.Write(piece[:n])
		}
		if err == io.EOF {
			return facts(conn, heard, nil)
		}
		if err != nil {
			return facts(conn, heard, err)
		}
	}
}

func facts(conn *tls.Conn, heard []byte, err error) report {
	state := conn.ConnectionState()
	told := report{
		Version: tls.VersionName(state.Version),
		Suite:   tls.CipherSuiteName(state.CipherSuite),
		Group:   state.CurveID.String(),
		Alpn:    state.NegotiatedProtocol,
		Retried: state.HelloRetryRequest,
		Resumed: state.DidResume,
		Name:    state.ServerName,
		Staple:  state.OCSPResponse,
		Ech:     state.ECHAccepted,
		Heard:   string(heard),
	}
	if len(state.PeerCertificates) > 0 {
		told.Peer = state.PeerCertificates[0].Subject.CommonName
	}
	if err != nil {
		told.Error, told.Alert = err.Error(), alertOf(err)
	}
	return told
}

// failed tells of a handshake that came to nothing, and lets the alert arrive before the socket closes.
func failed(conn *tls.Conn, err error) report {
	if tcp, ok := conn.NetConn().(*net.TCPConn); ok {
		tcp.CloseWrite()
		tcp.SetReadDeadline(time.Now().Add(2 * time.Second))
		io.Copy(io.Discard, tcp)
	}
	told := report{Error: err.Error(), Alert: alertOf(err)}
	var rejected *tls.ECHRejectionError
	if errors.As(err, &rejected) {
		told.Retry = rejected.RetryConfigList
	}
	return told
}

// alertOf is the alert that the peer sent, 0 if it sent none. Its type is not exported.
func alertOf(err error) int {
	var network *net.OpError
	if errors.As(err, &network) && network.Op == "remote error" {
		return int(reflect.ValueOf(network.Err).Uint())
	}
	return 0
}

func configuration() *tls.Config {
	config := &tls.Config{ServerName: *name, MinVersion: tls.VersionTLS13}
	if *oldest {
		config.MinVersion, config.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	}
	if *cert != "" {
		pair, err := tls.LoadX509KeyPair(*cert, *key)
		if err != nil {
			fatal(err)
		}
		if *staple != "" {
			if pair.OCSPStaple, err = os.ReadFile(*staple); err != nil {
				fatal(err)
			}
		}
		config.Certificates = []tls.Certificate{pair}
	}
	if *ca != "" {
		pem, err := os.ReadFile(*ca)
		if err != nil {
			fatal(err)
		}
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(pem)
		config.RootCAs, config.ClientCAs = pool, pool
	}
	config.ClientAuth = map[string]tls.ClientAuthType{
		"none":    tls.NoClientCert,
		"request": tls.VerifyClientCertIfGiven,
		"require": tls.RequireAndVerifyClientCert,
	}[*auth]
	if *alpn != "" {
		config.NextProtos = strings.Split(*alpn, ",")
	}
	if *groups != "" {
		for _, wanted := range strings.Split(*groups, ",") {
			config.CurvePreferences = append(config.CurvePreferences, group(wanted))
		}
	}
	if *suites != "" {
		for _, wanted := range strings.Split(*suites, ",") {
			config.CipherSuites = append(config.CipherSuites, suite(wanted))
		}
	}
	if *ech != "" {
		config.EncryptedClientHelloConfigList = decoded(*ech)
	}
	if *echKey != "" {
		for _, each := range strings.Split(*echKey, ",") {
			key, published, _ := strings.Cut(each, ":")
			config.EncryptedClientHelloKeys = append(config.EncryptedClientHelloKeys, tls.EncryptedClientHelloKey{
				Config:      decoded(published),
				PrivateKey:  decoded(key),
				SendAsRetry: true,
			})
		}
	}
	return config
}

func decoded(text string) []byte {
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		fatal(err)
	}
	return data
}

func suite(name string) uint16 {
	for _, known := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		if known.Name == name {
			return known.ID
		}
	}
	fatal(fmt.Errorf("no suite %s", name))
	return 0
}

func group(name string) tls.CurveID {
	for id := tls.CurveID(0); id < 0x2000; id++ {
		if id.String() == name {
			return id
		}
	}
	fatal(fmt.Errorf("no group %s", name))
	return 0
}

func tell(told report) {
	line, err := json.Marshal(told)
	if err != nil {
		fatal(err)
	}
	fmt.Println(string(line))
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(2)
}
