package server

import (
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/rs/cors"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/server/internal/web"
	"github.com/puna-ai/puna/server/ollama"
)

// localOrigins are allowed always, as Ollama does: pages of this machine and
// desktop applications.
func localOrigins() []string {
	var out []string
	for _, host := range []string{"localhost", "127.0.0.1", "0.0.0.0"} {
		for _, scheme := range []string{"http://", "https://"} {
			out = append(out, scheme+host, scheme+host+":*")
		}
	}
	return append(out, "app://*", "file://*", "tauri://*", "vscode-webview://*", "vscode-file://*")
}

// origins decides which web pages may ask.
type origins struct{ cors *cors.Cors }

func newOrigins(extra []string) origins {
	return origins{cors.New(cors.Options{
		AllowedOrigins: append(slices.Clone(extra), localOrigins()...),
		AllowedMethods: []string{"GET", "HEAD", "POST", "DELETE"},
		AllowedHeaders: []string{"*"},
		ExposedHeaders: []string{ollama.TruncatedHeader, web.KindHeader},
		MaxAge:         12 * 60 * 60, // seconds
	})}
}

// guard refuses requests that a browser sends for a page of another origin, and
// says to the browser which it may send.
func (o origins) guard(next http.Handler) http.Handler {
	withHeaders := o.cors.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch origin := r.Header.Get("Origin"); {
		case origin == "", origin == "http://"+r.Host, origin == "https://"+r.Host:
			next.ServeHTTP(w, r)
		case o.cors.OriginAllowed(r):
			withHeaders.ServeHTTP(w, r)
		default:
			w.(*web.Response).Fail(puna.Errorf(puna.Forbidden, "origin %q is not allowed; OLLAMA_ORIGINS lists those that are", origin))
		}
	})
}

// guardHost refuses requests to a loopback listener whose Host header names
// another machine: a web page that points a DNS name of its own at 127.0.0.1
// (DNS rebinding) would be of an allowed origin else. Browsers can't reach other
// kinds of listener, Unix sockets for one.
func guardHost(listener net.Addr, next http.Handler) http.Handler {
	addr, err := netip.ParseAddrPort(listener.String())
	if err != nil || !addr.Addr().IsLoopback() {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !localHost(r.Host) {
			w.(*web.Response).Fail(puna.Errorf(puna.Forbidden, "host %q is not this machine; listen on another address than loopback to be reached by it", r.Host))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// localHost reports whether a Host header names this machine or a private network.
func localHost(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = strings.Trim(hostport, "[]")
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.IsLoopback() || ip.IsPrivate() || ip.IsUnspecified() || isOwn(ip)
	}
	host = strings.ToLower(host)
	if host == "" || host == "localhost" {
		return true
	}
	for _, tld := range []string{".localhost", ".local", ".internal"} {
		if strings.HasSuffix(host, tld) {
			return true
		}
	}
	name, err := os.Hostname()
	return err == nil && host == strings.ToLower(name)
}

// isOwn reports whether ip is an address of one of this machine's interfaces.
func isOwn(ip netip.Addr) bool {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	return slices.ContainsFunc(addrs, func(addr net.Addr) bool {
		prefix, err := netip.ParsePrefix(addr.String())
		return err == nil && prefix.Addr() == ip
	})
}
