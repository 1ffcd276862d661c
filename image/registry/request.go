package registry

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxComplaint bounds what is read of an answer that is not the one expected.
const maxComplaint = 16 << 10

// send sends one request; any answer but those is a *statusError.
func send(client *http.Client, req *http.Request, codes ...int) (*http.Response, error) {
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	if slices.Contains(codes, res.StatusCode) {
		return res, nil
	}
	defer res.Body.Close()
	e := &statusError{what: req.Method + " " + shown(req.URL), code: res.StatusCode, pause: retryAfter(res.Header.Get("Retry-After"))}
	text, _ := io.ReadAll(io.LimitReader(res.Body, maxComplaint)) // what there is of it
	var body struct {
		Errors []struct {
			Code, Message string
		}
	}
	e.says = "nothing said"
	if json.Unmarshal(text, &body) == nil && len(body.Errors) > 0 {
		e.says = printable(body.Errors[0].Code+": "+body.Errors[0].Message, maxSaid)
	}
	return nil, e
}

// shown is a URL without its query, where storages have signatures.
func shown(u *url.URL) string { return printable(u.Scheme+"://"+u.Host+u.EscapedPath(), maxSaid) }

// retryAfter reads the header, 0 if it says nothing.
func retryAfter(value string) time.Duration {
	if n, err := strconv.Atoi(value); err == nil && n > 0 && n < 1<<20 {
		return time.Duration(n) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(time.Until(at), 0)
	}
	return 0
}

// document reads something short whole. More than limit bytes are refused.
func (e *endpoint) document(ctx context.Context, kind, which string, accept []string, limit int64) (data []byte, header http.Header, err error) {
	err = e.retry(ctx, func() error {
		client, err := e.pull(ctx)
		if err != nil {
			return err
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, e.url(kind, which), nil)
		if err != nil {
			return err
		}
		if len(accept) > 0 {
			req.Header.Set("Accept", strings.Join(accept, ", "))
		}
		res, err := send(client, req, http.StatusOK)
		if err != nil {
			return err
		}
		defer res.Body.Close()
		if res.ContentLength > limit {
			return refuse("%s has %d bytes, more than %d", which, res.ContentLength, limit)
		}
		data, err = io.ReadAll(io.LimitReader(res.Body, limit+1))
		if err != nil {
			return fmt.Errorf("%s: %w", which, err)
		}
		if int64(len(data)) > limit {
			return refuse("%s has more than %d bytes", which, limit)
		}
		header = res.Header
		return nil
	})
	return data, header, err
}
