package registry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/image/input"
)

var (
	// ErrUnauthorized: the registry does not let us, or does not tell us
	// whether there is such a thing.
	ErrUnauthorized = errors.New("access denied")
	// ErrNotFound: the registry has no such image, or no such blob.
	ErrNotFound = errors.New("not found")
	// ErrIdle: the server sent, or took, next to nothing for too long.
	ErrIdle = errors.New("the connection stood still")
	// errPlain: http was about to be spoken to a host that is to be secure.
	errPlain = errors.New("it speaks http and not https")
	// errAstray: a redirection that is not followed.
	errAstray = errors.New("redirection refused")
)

// statusError is an answer that is none of those expected.
type statusError struct {
	what  string // method and URL, without what is secret in it
	code  int
	says  string
	pause time.Duration // that the server asks for
}

func (e *statusError) Error() string {
	s := fmt.Sprintf("%s: %d %s", e.what, e.code, http.StatusText(e.code))
	if e.says != "" {
		s += ": " + e.says
	}
	return s
}

func (e *statusError) Is(target error) bool {
	switch target {
	case ErrUnauthorized:
		return e.code == http.StatusUnauthorized || e.code == http.StatusForbidden
	case ErrNotFound:
		return e.code == http.StatusNotFound
	}
	return false
}

// temporary reports whether the same may succeed when it is tried again.
func temporary(ctx context.Context, err error) bool {
	var status *statusError
	var auth *transport.Error
	switch {
	case err == nil, ctx.Err() != nil, errors.Is(err, input.ErrRefused), errors.Is(err, errPlain), errors.Is(err, errAstray):
		return false
	case errors.As(err, &status):
		return passing(status.code)
	case errors.As(err, &auth):
		return passing(auth.StatusCode)
	case errors.Is(err, ErrIdle), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, unix.ECONNRESET), errors.Is(err, unix.EPIPE):
		return true
	case errors.Is(err, io.EOF): // of net/http: the server hung up instead of answering
		return true
	}
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

func passing(code int) bool {
	switch code {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// explain makes one line of what went wrong at a host, with the way out.
func explain(host string, err error) error {
	told := explained(host, err)
	if told == nil {
		return nil
	}
	return &tame{told}
}

// tame is an error that says what it says in one line of bounded length,
// whatever a server put into it.
type tame struct{ error }

func (e *tame) Error() string { return printable(e.error.Error(), maxLine) }

func (e *tame) Unwrap() error { return e.error }

func explained(host string, err error) error {
	var status *statusError
	var auth *transport.Error
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var name x509.HostnameError
	var record tls.RecordHeaderError
	var dns *net.DNSError
	switch {
	case err == nil, errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), errors.Is(err, input.ErrRefused):
		return err
	case errors.As(err, &auth) && (auth.StatusCode == http.StatusUnauthorized || auth.StatusCode == http.StatusForbidden):
		return fmt.Errorf("%s: %w%s: docker login %s stores credentials; where nobody needs any, there is no such repository", host, ErrUnauthorized, said(auth), host)
	case errors.As(err, &auth):
		return fmt.Errorf("%s: %d %s%s", host, auth.StatusCode, http.StatusText(auth.StatusCode), said(auth))
	case errors.As(err, &status) && errors.Is(err, ErrUnauthorized):
		return fmt.Errorf("%s: %w (%w): docker login %s stores credentials; where nobody needs any, there is no such repository", host, ErrUnauthorized, err, host)
	case errors.As(err, &status) && status.code == http.StatusNotFound:
		return fmt.Errorf("%w at %s (%s)", ErrNotFound, host, status.says)
	case errors.As(err, &unknown), errors.As(err, &invalid), errors.As(err, &name):
		return fmt.Errorf("%s: %w: set registries.%s.ca to a file with the certificate that vouches for it", host, inner(err), host)
	case errors.Is(err, errPlain), errors.As(err, &record), strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return fmt.Errorf("%s: %w: if that is as it should be, set registries.%s.insecure", host, errPlain, host)
	case strings.Contains(err.Error(), "invalid realm in www-authenticate"):
		return fmt.Errorf("%s: the server that it names to issue tokens is not asked: %w: name that server by a name that is not this network's alone", host, inner(err))
	case errors.As(err, &dns):
		return fmt.Errorf("%s: %w: is the name right?", host, inner(err))
	}
	return fmt.Errorf("%s: %w", host, inner(err))
}

// said is what a registry says in the body of an answer, as far as it is for
// people.
func said(e *transport.Error) string {
	if len(e.Errors) == 0 {
		return ""
	}
	return " (" + printable(string(e.Errors[0].Code)+": "+e.Errors[0].Message, maxSaid) + ")"
}

// inner leaves out the method and the URL of a request, which may have
// secrets in it.
func inner(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

const (
	// maxSaid bounds a server's text in a line, maxLine the line.
	maxSaid = 200
	maxLine = 1000
)

// printable is a server's text for one line.
func printable(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	if s = strings.TrimSpace(s); len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

func refuse(format string, args ...any) error {
	return fmt.Errorf("%w: %w", input.ErrRefused, fmt.Errorf(format, args...))
}
