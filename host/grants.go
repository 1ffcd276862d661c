package host

import "strings"

// ExplainGrant says what a driver that has a grant can do with it, for the
// person who decides whether to give it.
func ExplainGrant(name string) string {
	switch name {
	case "chown":
		return "give files in its directory to any owner"
	case "setid":
		return "set set-user-id and set-group-id bits on files in its directory: whoever runs such a file from a container or a mount runs it as its owner"
	case "mknod.whiteout":
		return "make character devices 0:0, by which overlay hides names; they open nothing"
	case "mknod.device":
		return "make any device in its directory: a container that is allowed devices, or a mount without nodev, reaches the real device by it"
	case "mount.overlay":
		return "have the host mount directories of its own as one; which and in what order the host holds against the layers it recorded"
	}
	switch prefix, _ := strings.CutPrefix(name, "xattr."); prefix {
	case name:
		return "nothing: the host does not know it"
	case "trusted":
		return "set trusted.* attributes in its directory, by which overlay marks directories that hide others"
	case "security":
		return "set security.* attributes in its directory: file capabilities, by which a file gives its user rights, and labels of SELinux"
	case "system":
		return "set system.* attributes in its directory: access control lists"
	case "user":
		return "set user.* attributes in its directory; they mean something only to those who look for them, and to overlay in user namespaces"
	default:
		return "set attributes whose names begin with " + prefix + " in its directory"
	}
}
