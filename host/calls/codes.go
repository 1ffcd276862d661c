package calls

import (
	"context"
	"errors"
	"io"
	"syscall"

	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/graphdriver/layertar"
)

// errnoCodes is the table of abi/README.md, section 2.
var errnoCodes = map[syscall.Errno]abi.Code{
	syscall.ENOENT: abi.NotFound, syscall.ENODATA: abi.NotFound, syscall.ESTALE: abi.NotFound,
	syscall.EEXIST: abi.Exists, syscall.ENOTEMPTY: abi.Exists,
	syscall.EBUSY: abi.Busy, syscall.EAGAIN: abi.Busy, syscall.ETXTBSY: abi.Busy, syscall.EDEADLK: abi.Busy,
	syscall.ENOSYS: abi.NotSupported, syscall.EOPNOTSUPP: abi.NotSupported, syscall.ENOTTY: abi.NotSupported,
	syscall.EPERM: abi.Denied, syscall.EACCES: abi.Denied, syscall.EROFS: abi.Denied, syscall.EXDEV: abi.Denied, syscall.ELOOP: abi.Denied,
	syscall.EMFILE: abi.Limit, syscall.ENFILE: abi.Limit, syscall.E2BIG: abi.Limit, syscall.EFBIG: abi.Limit, syscall.EMLINK: abi.Limit, syscall.ENOMEM: abi.Limit,
	syscall.ENOSPC: abi.NoSpace, syscall.EDQUOT: abi.NoSpace,
	syscall.EUCLEAN: abi.Corrupt, syscall.EBADMSG: abi.Corrupt,
	syscall.EINTR: abi.Canceled, syscall.ECANCELED: abi.Canceled, syscall.ETIMEDOUT: abi.Canceled,
	syscall.EINVAL: abi.Invalid, syscall.ENAMETOOLONG: abi.Invalid, syscall.ENOTDIR: abi.Invalid, syscall.EISDIR: abi.Invalid,
	syscall.EBADF: abi.Invalid, syscall.EFAULT: abi.Invalid, syscall.ERANGE: abi.Invalid, syscall.EILSEQ: abi.Invalid,
}

// ErrnoCode is the code that an errno, other than 0, becomes.
func ErrnoCode(e syscall.Errno) abi.Code {
	if c, ok := errnoCodes[e]; ok {
		return c
	}
	return abi.IO
}

// codeErrors is what a guest's code means to the native side.
var codeErrors = map[abi.Code]error{
	abi.NotFound: graphdriver.ErrNotFound, abi.Exists: graphdriver.ErrExists, abi.Busy: graphdriver.ErrBusy,
	abi.NotSupported: graphdriver.ErrNotSupported, abi.UseNaive: graphdriver.ErrUseNaive,
	abi.Prerequisites: graphdriver.ErrPrerequisites, abi.IncompatibleFS: graphdriver.ErrIncompatibleFS,
	abi.Denied: graphdriver.ErrDenied, abi.Limit: graphdriver.ErrLimit, abi.NoSpace: syscall.ENOSPC,
	abi.Corrupt: graphdriver.ErrCorrupt, abi.Canceled: context.Canceled, abi.Invalid: graphdriver.ErrInvalid,
	abi.BadOrder: graphdriver.ErrInvalid, abi.IO: syscall.EIO,
}

// CodeError is the native error that a code stands for.
func CodeError(c abi.Code) error { return codeErrors[c] }

// codeOf is the code that an error of the host's own is answered with.
func codeOf(err error) abi.Code {
	var code abi.Code
	var errno syscall.Errno
	var limit *LimitError
	switch {
	case err == nil:
		return abi.OK
	case errors.As(err, &code):
		return code
	case errors.As(err, &limit):
		return abi.Limit
	case errors.Is(err, layertar.ErrRefused):
		return abi.Corrupt
	case errors.Is(err, context.Canceled), errors.Is(err, io.ErrClosedPipe):
		return abi.Canceled
	case errors.Is(err, context.DeadlineExceeded):
		return abi.Limit
	case errors.As(err, &errno):
		if c, ok := errnoCodes[errno]; ok {
			return c
		}
	}
	// In the list's order: an error may be of two kinds, and two codes stand
	// for one.
	for c := abi.NotFound; c.Known(); c-- {
		if e := codeErrors[c]; errors.Is(err, e) {
			return c
		}
	}
	return abi.IO
}
