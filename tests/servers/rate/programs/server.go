// SPDX-License-Identifier: Apache-2.0
// A web server in Go: the files of a directory, and the ways that handlers write. Ports 80 and,
// with TLS and HTTP/2, 443 of 127.0.0.1. Arguments: DIRECTORY CERTIFICATE KEY.
package main

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strings"
)

func main() {
	data, err := os.ReadFile(os.Args[1] + "/150M")
	if err != nil {
		log.Fatal(err)
	}
	http.Handle("/", http.FileServer(http.Dir(os.Args[1])))
	http.HandleFunc("/once", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(data)))
		w.Write(data)
	})
	http.HandleFunc("/pieces", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(data)))
		for rest := data; len(rest) > 0; {
			n := 32 << 10
			if n > len(rest) {
				n = len(rest)
			}
			w.Write(rest[:n])
			rest = rest[n:]
		}
	})
	http.HandleFunc("/events", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		event := "data: " + strings.Repeat("x", 100) + "\n\n"
		for i := 0; i < 20000; i++ {
			io.WriteString(w, event)
			w.(http.Flusher).Flush()
		}
	})
	http.HandleFunc("/sink", func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
	})
	go func() { log.Fatal(http.ListenAndServe("127.0.0.1:80", nil)) }()
	log.Fatal(http.ListenAndServeTLS("127.0.0.1:443", os.Args[2], os.Args[3], nil))
}
