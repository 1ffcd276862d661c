//go:build !wasip1

package guest

import "github.com/bulkhead/bulkhead/abi"

// ReadFile reads a small file of the home.
func (c *Call) ReadFile(path string) ([]byte, error) {
	if f, ok := c.host.(SmallFiles); ok {
		return f.ReadSmall(path)
	}
	return nil, abi.NotSupported
}

// WriteFile replaces a small file of the home as a whole.
func (c *Call) WriteFile(path string, data []byte) error {
	if f, ok := c.host.(SmallFiles); ok {
		return f.WriteSmall(path, data)
	}
	return abi.NotSupported
}

// Symlink makes a symbolic link at path of the home.
func (c *Call) Symlink(target, path string) error {
	if f, ok := c.host.(SmallFiles); ok {
		return f.SymlinkSmall(target, path)
	}
	return abi.NotSupported
}

// Readlink reads the target of a symbolic link.
func (c *Call) Readlink(path string) (string, error) {
	if f, ok := c.host.(SmallFiles); ok {
		return f.ReadlinkSmall(path)
	}
	return "", abi.NotSupported
}
