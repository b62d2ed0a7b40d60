// Farlink makes a server on this machine look far away: it passes connections on to it, each of which has its requests delayed and its
// answers slowed down. It runs until it is interrupted.
//
//	go run ./benchmarks/farlink -listen 127.0.0.1:9001 -to 127.0.0.1:9000 -delay 20ms -rate 100
package main

import (
	"context"
	"errors"
	"flag"
	"io"
	"log"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

const (
	chunk   = 64 << 10              // bytes that are passed on at once
	catchUp = 20 * time.Millisecond // of sending at full speed after a pause: sleeps take longer than they should
)

func main() {
	log.SetFlags(0)
	listen := flag.String("listen", "", "the `address` to connect to")
	to := flag.String("to", "", "the `address` of the server")
	delay := flag.Duration("delay", 20*time.Millisecond, "of what a client sends")
	rate := flag.Float64("rate", 100, "`MB/s` that a connection brings at most")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	listener, err := net.Listen("tcp", *listen)
	if err == nil {
		err = serve(ctx, listener, link{*to, *delay, *rate * 1e6})
	}
	if err != nil {
		log.Fatalf("farlink: %v", err)
	}
}

// A link leads to a server.
type link struct {
	to    string
	delay time.Duration
	rate  float64 // bytes a second
}

// serve passes connections on until ctx ends, with which the listener is closed.
func serve(ctx context.Context, listener net.Listener, l link) error {
	var open sync.WaitGroup
	defer open.Wait()
	context.AfterFunc(ctx, func() { listener.Close() })
	for {
		near, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		open.Go(func() {
			if err := l.connect(ctx, near); err != nil {
				log.Printf("farlink: %v", err)
			}
		})
	}
}

// connect passes one connection on until either side closes it or ctx ends.
func (l link) connect(ctx context.Context, near net.Conn) error {
	defer near.Close()
	far, err := net.Dial("tcp", l.to)
	if err != nil {
		return err
	}
	end := context.AfterFunc(ctx, func() { near.Close(); far.Close() })
	defer end()
	var requests sync.WaitGroup
	defer requests.Wait()
	defer far.Close()
	requests.Go(func() {
		pass(far, near, func(int) { time.Sleep(l.delay) })
		far.Close()
	})
	var free time.Time // when what was sent has passed
	pass(near, far, func(n int) {
		if late := time.Now().Add(-catchUp); free.Before(late) {
			free = late
		}
		free = free.Add(time.Duration(float64(n) / l.rate * float64(time.Second)))
		time.Sleep(time.Until(free))
	})
	near.Close() // ends the requests
	return nil
}

// pass copies until a side is closed, and waits before it passes bytes on.
func pass(to io.Writer, from io.Reader, wait func(n int)) {
	b := make([]byte, chunk)
	for {
		n, err := from.Read(b)
		if n > 0 {
			wait(n)
			if _, err := to.Write(b[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
