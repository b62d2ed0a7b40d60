package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestServe passes requests on, over one connection, and ends with its context.
func TestServe(t *testing.T) {
	body := bytes.Repeat([]byte("0123456789"), chunk)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(w, r.Body); err != nil {
			t.Error(err)
		}
	}))
	defer server.Close()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- serve(ctx, listener, link{strings.TrimPrefix(server.URL, "http://"), time.Microsecond, 1e12})
	}()
	for range 3 {
		answer, err := http.Post("http://"+listener.Addr().String(), "", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil || !bytes.Equal(got, body) {
			t.Fatalf("%d bytes came back of %d, %v", len(got), len(body), err)
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
