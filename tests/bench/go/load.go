// The load of `make bench ARGS="gateway servers"`: one client with a certificate, and the service behind what is measured.
//
// With -http the client requests a page in place of an echo, and the service answers each request by one; with -cert too
// the service is itself a server of mutual TLS.
//
// The service reads a letter and eight bytes of a number, and then does with so many bytes what the letter says: `e`
// echoes them, `u` reads them and answers with one byte, `d` sends them. The client prints one JSON object.
package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sort"
	"sync"
	"time"
)

const piece = 1 << 20

var (
	mode     = flag.String("mode", "service", "service, connections, stream, requests or idle")
	addr     = flag.String("addr", "127.0.0.1:0", "where to listen, or whom to call")
	cert     = flag.String("cert", "", "our chain")
	key      = flag.String("key", "", "our key")
	ca       = flag.String("ca", "", "whom we trust")
	resume   = flag.Bool("resume", false, "resume sessions")
	at       = flag.Int("at", 1, "how many connections at once")
	count    = flag.Int("count", 1, "how many connections, or requests, all in all")
	size     = flag.Int64("size", 1000, "bytes of a request, or of one stream")
	download = flag.Bool("download", false, "the service sends the stream")
	pages    = flag.Bool("http", false, "HTTP/1.1: a page for each request")
)

type result struct {
	Seconds float64 `json:"seconds"`
	Resumed int     `json:"resumed"`
	Median  float64 `json:"p50"`
	Slowest float64 `json:"p99"`
}

func main() {
	flag.Parse()
	if *mode == "service" {
		service()
		return
	}
	config := configuration()
	if *mode == "connections" && *resume {
		config.ClientSessionCache = tls.NewLRUClientSessionCache(4 * *at)
		echoed(dial(config), 1).Close() // the first ticket
	}
	if *mode == "idle" {
		idle(config)
		return
	}
	began := time.Now()
	out := map[string]func(*tls.Config) result{"connections": connections, "stream": streams, "requests": requests}[*mode](config)
	if out.Seconds == 0 {
		out.Seconds = time.Since(began).Seconds()
	}
	check(json.NewEncoder(os.Stdout).Encode(out))
}

func service() {
	listener, err := net.Listen("tcp", *addr)
	check(err)
	fmt.Printf("listening %d\n", listener.Addr().(*net.TCPAddr).Port)
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	if *pages {
		check(serveHTTP(listener))
	}
	for {
		conn, err := listener.Accept()
		check(err)
		go serve(conn)
	}
}

func serve(conn net.Conn) {
	defer conn.Close()
	head, buffer := make([]byte, 9), make([]byte, 64*1024)
	for {
		if _, err := io.ReadFull(conn, head); err != nil {
			return
		}
		left := int64(binary.BigEndian.Uint64(head[1:]))
		var err error
		switch head[0] {
		case 'e':
			_, err = io.CopyBuffer(struct{ io.Writer }{conn}, struct{ io.Reader }{io.LimitReader(conn, left)}, buffer)
		case 'u':
			if _, err = io.CopyBuffer(struct{ io.Writer }{io.Discard}, io.LimitReader(conn, left), buffer); err == nil {
				_, err = conn.Write([]byte{'k'})
			}
		case 'd':
			for err == nil && left > 0 {
				n := min(left, int64(len(buffer)))
				_, err = conn.Write(buffer[:n])
				left -= n
			}
		}
		if err != nil {
			return
		}
	}
}

func serveHTTP(listener net.Listener) error {
	page := make([]byte, 1000)
	if *cert != "" {
		config := configuration()
		config.ClientAuth, config.ClientCAs = tls.RequireAndVerifyClientCert, config.RootCAs
		listener = tls.NewListener(listener, config)
	}
	return http.Serve(listener, http.HandlerFunc(func(out http.ResponseWriter, _ *http.Request) {
		out.Write(page)
	}))
}

func configuration() *tls.Config {
	own, err := tls.LoadX509KeyPair(*cert, *key)
	check(err)
	pem, err := os.ReadFile(*ca)
	check(err)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	return &tls.Config{
		Certificates: []tls.Certificate{own}, RootCAs: pool, ServerName: "localhost",
		MinVersion: tls.VersionTLS13, CurvePreferences: []tls.CurveID{tls.X25519},
	}
}

func dial(config *tls.Config) *tls.Conn {
	raw, err := net.DialTimeout("tcp", *addr, 20*time.Second)
	check(err)
	conn := tls.Client(raw, config)
	check(conn.Handshake())
	return conn
}

func send(conn net.Conn, what byte, length int64, data []byte) {
	head := make([]byte, 9, 9+len(data))
	head[0] = what
	binary.BigEndian.PutUint64(head[1:], uint64(length))
	_, err := conn.Write(append(head, data...))
	check(err)
}

func echoed(conn *tls.Conn, length int64) *tls.Conn {
	if *pages {
		return requested(conn)
	}
	data := make([]byte, length)
	send(conn, 'e', length, data)
	_, err := io.ReadFull(conn, data)
	check(err)
	return conn
}

func requested(conn *tls.Conn) *tls.Conn {
	_, err := conn.Write([]byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"))
	check(err)
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	check(err)
	if answer.StatusCode != 200 {
		check(fmt.Errorf("answered with %s", answer.Status))
	}
	_, err = io.Copy(io.Discard, answer.Body)
	check(err)
	return conn
}

// everybody runs what is to be done `all` times, by `at` at once.
func everybody(all int, work func(worker int)) {
	var group sync.WaitGroup
	for worker := range *at {
		group.Add(1)
		go func() {
			defer group.Done()
			for range all / *at {
				work(worker)
			}
		}()
	}
	group.Wait()
}

func connections(config *tls.Config) result {
	var lock sync.Mutex
	resumed := 0
	everybody(*count, func(int) {
		conn := dial(config)
		echoed(conn, 1)
		if conn.ConnectionState().DidResume {
			lock.Lock()
			resumed++
			lock.Unlock()
		}
		conn.Close()
	})
	return result{Resumed: resumed}
}

func streams(config *tls.Config) result {
	conns := make([]*tls.Conn, *at)
	for each := range conns {
		conns[each] = dial(config)
	}
	began := time.Now()
	everybody(*at, func(worker int) {
		conn, buffer := conns[worker], make([]byte, piece)
		if *download {
			send(conn, 'd', *size, nil)
			n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, io.LimitReader(conn, *size), buffer)
			if err == nil && n < *size {
				err = io.ErrUnexpectedEOF
			}
			check(err)
			return
		}
		send(conn, 'u', *size, nil)
		for left := *size; left > 0; left -= piece {
			_, err := conn.Write(buffer[:min(left, piece)])
			check(err)
		}
		_, err := io.ReadFull(conn, buffer[:1])
		check(err)
	})
	return result{Seconds: time.Since(began).Seconds()}
}

func requests(config *tls.Config) result {
	conns, took := make([]*tls.Conn, *at), make([][]float64, *at)
	for each := range conns {
		conns[each] = echoed(dial(config), 1)
	}
	began := time.Now()
	everybody(*count, func(worker int) {
		start := time.Now()
		echoed(conns[worker], *size)
		took[worker] = append(took[worker], time.Since(start).Seconds()*1e3)
	})
	out := result{Seconds: time.Since(began).Seconds()}
	all := []float64{}
	for _, each := range took {
		all = append(all, each...)
	}
	sort.Float64s(all)
	out.Median, out.Slowest = all[len(all)/2], all[len(all)*99/100]
	return out
}

func idle(config *tls.Config) {
	conns := make([]*tls.Conn, 0, *count)
	for range *count {
		conns = append(conns, echoed(dial(config), 1))
	}
	fmt.Println("open")
	io.Copy(io.Discard, os.Stdin)
	for _, conn := range conns {
		conn.NetConn().Close()
	}
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
