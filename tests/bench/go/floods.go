// The load of `make bench ARGS="floods endings"`: clients that come in one after the other, floods in front of what they
// come to, and clients that stay until they are ended. The service behind it is that of load.go.
//
// Newcomers print one JSON object with how long they took; a flood prints one at the end of its input; those who stay
// print `open`, and one when all have ended.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"sort"
	"sync"
	"sync/atomic"
	"time"
)

var (
	mode    = flag.String("mode", "newcomers", "newcomers, begun, refused or held")
	addr    = flag.String("addr", "", "whom to call")
	cert    = flag.String("cert", "", "our chain")
	key     = flag.String("key", "", "our key")
	ca      = flag.String("ca", "", "whom we trust")
	count   = flag.Int("count", 1, "how many newcomers")
	at      = flag.Int("at", 1, "how many attackers")
	origins = flag.Int("addresses", 1, "from how many addresses of this machine they come")
	pause   = flag.Duration("pause", time.Second, "of each attacker between two connections")
)

type result struct {
	Seconds float64 `json:"seconds"`
	Median  float64 `json:"p50"`
	Slowest float64 `json:"p99"`
	Failed  int     `json:"failed"`
	Begun   int64   `json:"begun"`
	Half    float64 `json:"half"` // when half of those who stay had ended, in seconds since 1970
	Last    float64 `json:"last"` // when the last one had
}

func main() {
	flag.Parse()
	own, err := tls.LoadX509KeyPair(*cert, *key)
	check(err)
	pem, err := os.ReadFile(*ca)
	check(err)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	config := &tls.Config{
		Certificates: []tls.Certificate{own}, RootCAs: pool, ServerName: "localhost",
		MinVersion: tls.VersionTLS13, CurvePreferences: []tls.CurveID{tls.X25519},
	}
	began, out := time.Now(), result{}
	switch *mode {
	case "newcomers":
		out = newcomers(config)
	case "begun":
		out = flood(begun)
	case "held":
		out = held(config)
	case "refused":
		config.Certificates = nil
		out = flood(func(raw net.Conn) { refused(tls.Client(raw, config)) })
	}
	out.Seconds = time.Since(began).Seconds()
	check(json.NewEncoder(os.Stdout).Encode(out))
}

func newcomers(config *tls.Config) result {
	out, took := result{}, []float64{}
	for range *count {
		start := time.Now()
		if entered(config) {
			took = append(took, time.Since(start).Seconds()*1e3)
		} else {
			out.Failed++
		}
		time.Sleep(10 * time.Millisecond)
	}
	if len(took) > 0 {
		sort.Float64s(took)
		out.Median, out.Slowest = took[len(took)/2], took[len(took)*99/100]
	}
	return out
}

// entered says whether one byte was echoed on a new connection.
func entered(config *tls.Config) bool {
	raw, err := net.DialTimeout("tcp", *addr, 20*time.Second)
	if err != nil {
		return false
	}
	defer raw.Close()
	raw.SetDeadline(time.Now().Add(20 * time.Second))
	conn, data := tls.Client(raw, config), []byte{'e', 0, 0, 0, 0, 0, 0, 0, 1, 'x'}
	if _, err = conn.Write(data); err != nil {
		return false
	}
	_, err = io.ReadFull(conn, data[:1])
	return err == nil
}

// held opens connections, echoes a byte on each, and waits until each was ended.
func held(config *tls.Config) result {
	conns, ends := make([]*tls.Conn, *count), make([]float64, *count)
	everybody(func(number int) {
		raw, err := net.DialTimeout("tcp", *addr, 20*time.Second)
		check(err)
		conn, data := tls.Client(raw, config), []byte{'e', 0, 0, 0, 0, 0, 0, 0, 1, 'x'}
		_, err = conn.Write(data)
		check(err)
		_, err = io.ReadFull(conn, data[:1])
		check(err)
		conns[number] = conn
	})
	fmt.Println("open")
	var group sync.WaitGroup
	for number, conn := range conns {
		group.Add(1)
		go func() {
			defer group.Done()
			io.Copy(io.Discard, conn)
			ends[number] = float64(time.Now().UnixNano()) / 1e9
		}()
	}
	group.Wait()
	sort.Float64s(ends)
	return result{Half: ends[len(ends)/2], Last: ends[len(ends)-1]}
}

// everybody does something `count` times, some at once.
func everybody(what func(int)) {
	var group sync.WaitGroup
	var next atomic.Int64
	for range 8 {
		group.Add(1)
		go func() {
			defer group.Done()
			for number := next.Add(1) - 1; number < int64(*count); number = next.Add(1) - 1 {
				what(int(number))
			}
		}()
	}
	group.Wait()
}

// flood has each attacker attack again and again, until the end of the input.
func flood(attack func(net.Conn)) result {
	var tries atomic.Int64
	for number := range *at {
		host := number % *origins
		from := &net.TCPAddr{IP: net.IPv4(127, 1, byte(host>>8), byte(host))}
		dialer := net.Dialer{LocalAddr: from, Timeout: 20 * time.Second}
		go func() {
			for {
				if raw, err := dialer.Dial("tcp", *addr); err == nil {
					tries.Add(1)
					attack(raw)
					raw.Close()
				}
				time.Sleep(*pause)
			}
		}()
	}
	io.Copy(io.Discard, os.Stdin)
	return result{Begun: tries.Load()}
}

// begun sends much of a ClientHello that has no end, and waits until it is ended.
func begun(raw net.Conn) {
	raw.Write(append([]byte("\x16\x03\x01\x40\x00\x01\x00\x60\x00\x03\x03"), make([]byte, 4000)...))
	io.Copy(io.Discard, raw)
}

// refused shows no certificate, and waits for the alert.
func refused(conn *tls.Conn) {
	if conn.Handshake() == nil {
		io.Copy(io.Discard, conn)
	}
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
