// A client of net/http with a certificate: a page, an upload in chunks with a trailer, and one that waits for 100 Continue.
//
// It prints one JSON array with what came for each, and the version of HTTP.
package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

type page struct {
	Version string          `json:"version"`
	Status  int             `json:"status"`
	Body    json.RawMessage `json:"body"`
}

func main() {
	url := flag.String("url", "", "what is requested")
	cert := flag.String("cert", "", "our chain")
	key := flag.String("key", "", "our key")
	ca := flag.String("ca", "", "whom we trust")
	two := flag.Bool("http2", false, "by HTTP/2")
	size := flag.Int("size", 1, "bytes of an upload")
	flag.Parse()
	own, err := tls.LoadX509KeyPair(*cert, *key)
	check(err)
	pem, err := os.ReadFile(*ca)
	check(err)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	protocols := new(http.Protocols)
	protocols.SetHTTP1(!*two)
	protocols.SetHTTP2(*two)
	client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{Certificates: []tls.Certificate{own}, RootCAs: pool},
		Protocols:       protocols, ExpectContinueTimeout: 10 * time.Second,
	}}
	body := func() io.Reader { return struct{ io.Reader }{bytes.NewReader(make([]byte, *size))} }
	told := []page{}
	for _, how := range []string{"page", "chunks", "expect"} {
		request, err := http.NewRequest("GET", *url, nil)
		if how != "page" {
			request, err = http.NewRequest("POST", *url, body()) // of unknown length
		}
		check(err)
		switch how {
		case "chunks":
			request.Trailer = http.Header{"X-Sum": {"1"}}
		case "expect":
			request.Header.Set("Expect", "100-continue")
		}
		response, err := client.Do(request)
		check(err)
		content, err := io.ReadAll(response.Body)
		check(err)
		told = append(told, page{response.Proto, response.StatusCode, content})
	}
	check(json.NewEncoder(os.Stdout).Encode(told))
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
