// Command cheaphost serves the benchmarks' host on a free port of 127.0.0.1
// and prints its URL. It runs apart from the programs measured, so that its CPU
// time does not count as theirs. It ends when its standard input does, so that
// it never outlives the driver; --listen keeps it until a signal.
package main

import (
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/batchmill/batchmill/benchmarks/cheaphost"
)

func main() {
	listen := flag.String("listen", "", "`address` to serve until a signal comes; without it a free port, until standard input ends")
	flag.Parse()
	if err := serve(*listen); err != nil {
		fmt.Fprintln(os.Stderr, "cheaphost:", err)
		os.Exit(1)
	}
}

func serve(address string) error {
	attended := address == ""
	if attended {
		address = "127.0.0.1:0"
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: cheaphost.Handler(), ReadHeaderTimeout: 10 * time.Second}
	fmt.Printf("http://%s\n", listener.Addr())
	if !attended {
		return server.Serve(listener)
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	return server.Serve(listener)
}
