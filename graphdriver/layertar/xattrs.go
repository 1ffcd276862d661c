package layertar

import (
	"encoding/binary"
	"slices"
	"strings"

	"github.com/vbatts/tar-split/archive/tar"
)

// RecordPrefix begins the names of extended attributes by which those who may
// not set owners, modes and devices record them on the file itself, as Podman
// and fuse-overlayfs do. They never belong to a layer.
const RecordPrefix = "user.containers.override_"

// fillXattrs takes the attributes that a file of this kind can have. What none
// on Linux has stays in the archive's record and nowhere else; what would be
// another file's than the archive says is refused.
func fillXattrs(e *Entry, hdr *tar.Header) error {
	for key, value := range hdr.PAXRecords {
		name, ok := strings.CutPrefix(key, "SCHILY.xattr.")
		if !ok || value == "" { // an empty record takes an earlier one back
			continue
		}
		if name == "" || len(name) > 255 || strings.IndexByte(name, 0) >= 0 || len(value) > 64<<10 {
			return refuse(hdr.Name, "extended attribute %.64q is not one a file system can hold", name)
		}
		if strings.HasPrefix(name, "trusted.overlay.") || strings.HasPrefix(name, "user.overlay.") {
			return refuse(hdr.Name, "extended attribute %q belongs to overlay file systems and may not come from an archive", name)
		}
		if strings.HasPrefix(name, RecordPrefix) {
			return refuse(hdr.Name, "extended attribute %q records what a file could not be given where it was stored, and may not come from an archive", name)
		}
		if !holds(e.Kind, name) {
			continue
		}
		if why := malformed(name, value, e.Mode); why != "" {
			return refuse(hdr.Name, "extended attribute %q %s", name, why)
		}
		if name == accessACL && len(value) == 4+3*8 {
			continue // no more than the mode, and the kernel makes just that of it
		}
		e.Xattrs = append(e.Xattrs, Xattr{Name: strings.Clone(name), Value: strings.Clone(value)})
	}
	slices.SortFunc(e.Xattrs, func(a, b Xattr) int { return strings.Compare(a.Name, b.Name) })
	return nil
}

// holds tells whether a file of that kind can have an attribute of that name
// which an archive gives it. Labels of security modules are the machine's to
// set, as nobody else's can be trusted.
func holds(kind Kind, name string) bool {
	switch space, _, _ := strings.Cut(name, "."); {
	case name == "security.selinux", name == "security.ima", name == "security.evm":
		return false
	case space == "trusted", space == "security":
		return true
	case space == "user":
		return kind == File || kind == Dir || kind == Hardlink
	case space == "system":
		return (name == accessACL || name == defaultACL) && kind != Symlink
	}
	return false
}

const (
	accessACL    = "system.posix_acl_access"
	defaultACL   = "system.posix_acl_default"
	capabilities = "security.capability"
)

// malformed says what is wrong with a value that the kernel takes apart.
func malformed(name, value string, mode uint32) string {
	switch name {
	case capabilities:
		const version2, version3, version = 0x02000000, 0x03000000, 0xff000000
		if len(value) >= 4 {
			switch v := binary.LittleEndian.Uint32([]byte(value)) & version; {
			case v == version2 && len(value) == 20, v == version3 && len(value) == 24:
				return ""
			}
		}
		return "holds no capabilities that the kernel knows"
	case accessACL, defaultACL:
		list, ok := parseACL(value)
		if !ok {
			return "is no access list"
		}
		if name == accessACL && list != mode&0o777 {
			return "gives other rights than the entry's mode"
		}
	}
	return ""
}

// The parts of an access list. (Linux include/uapi/linux/posix_acl_xattr.h.)
const (
	aclVersion = 2
	aclOwner   = 0x01
	aclUser    = 0x02
	aclOwners  = 0x04 // the owning group
	aclGroup   = 0x08
	aclMask    = 0x10
	aclOthers  = 0x20
)

// parseACL returns the mode that a file with the list has.
func parseACL(value string) (mode uint32, ok bool) {
	b := []byte(value)
	if len(b) < 4 || len(b)%8 != 4 || binary.LittleEndian.Uint32(b) != aclVersion {
		return 0, false
	}
	seen := map[uint16]uint32{}
	last := uint16(0)
	for b = b[4:]; len(b) > 0; b = b[8:] {
		tag, perm := binary.LittleEndian.Uint16(b), binary.LittleEndian.Uint16(b[2:])
		_, twice := seen[tag]
		named := tag == aclUser || tag == aclGroup
		if perm > 7 || tag < last || twice && !named {
			return 0, false
		}
		if !named && tag != aclOwner && tag != aclOwners && tag != aclMask && tag != aclOthers {
			return 0, false
		}
		seen[tag], last = uint32(perm), tag
	}
	owner, hasOwner := seen[aclOwner]
	group, hasGroup := seen[aclOwners]
	others, hasOthers := seen[aclOthers]
	mask, hasMask := seen[aclMask]
	_, hasUsers := seen[aclUser]
	_, hasGroups := seen[aclGroup]
	if !hasOwner || !hasGroup || !hasOthers || (hasUsers || hasGroups) && !hasMask {
		return 0, false
	}
	if hasMask {
		group = mask
	}
	return owner<<6 | group<<3 | others, true
}
