// Go's crypto/x509 as a judge of chains.
//
// Each line of its input is a JSON object: the roots and the chain in PEM, the leaf first; the purpose, "server",
// "client", "ocsp" or ""; and a name, or "". For each it prints a line: what is wrong, or nothing.
package main

import (
	"bufio"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"strings"
)

type question struct {
	Roots   string `json:"roots"`
	Chain   string `json:"chain"`
	Purpose string `json:"purpose"`
	Name    string `json:"name"`
}

var usages = map[string]x509.ExtKeyUsage{
	"":       x509.ExtKeyUsageAny,
	"server": x509.ExtKeyUsageServerAuth,
	"client": x509.ExtKeyUsageClientAuth,
	"ocsp":   x509.ExtKeyUsageOCSPSigning,
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var asked question
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		told := ""
		if err := judge(asked); err != nil {
			told = strings.ReplaceAll(err.Error(), "\n", " ")
		}
		fmt.Println(told)
	}
}

func judge(asked question) error {
	chain, err := certificates(asked.Chain)
	if err != nil {
		return err
	}
	roots, err := certificates(asked.Roots)
	if err != nil {
		return err
	}
	options := x509.VerifyOptions{
		Roots:         x509.NewCertPool(),
		Intermediates: x509.NewCertPool(),
		KeyUsages:     []x509.ExtKeyUsage{usages[asked.Purpose]},
		DNSName:       asked.Name,
	}
	for _, each := range roots {
		options.Roots.AddCert(each)
	}
	for _, each := range chain[1:] {
		options.Intermediates.AddCert(each)
	}
	_, err = chain[0].Verify(options)
	return err
}

func certificates(text string) ([]*x509.Certificate, error) {
	var found []*x509.Certificate
	for rest := []byte(text); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return found, nil
		}
		each, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		found = append(found, each)
	}
}
