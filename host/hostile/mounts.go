package hostile

// Mounts are made while a directory outside is mounted within the home.
func Mounts() []Case {
	var out []Case
	for _, use := range []string{"read", "list", "write", "mkdir", "unlink", "rename", "link", "base", "chmod", "remove", "usage", "copy"} {
		out = append(out, create("mount-"+use, "a mount is not entered", Denied, ""))
	}
	return append(out, create("mount-remove-around", "nor removed with what it lies in", Refused, ""))
}
