package hostile

func repairs() []Case {
	repair := func(attack, claim string, v Verdict, says string) Case {
		return Case{attack, []string{"repair"}, claim, v, says}
	}
	var out []Case
	for _, use := range []string{"read", "write", "mkdir", "remove", "link-out", "rename", "cut"} {
		out = append(out, repair("repair-link-"+use, "a link among what is damaged leads nowhere outside", Denied, ""))
	}
	return append(out,
		repair("repair-climbs", "nor does a path", Invalid, "../canary/new"),
		repair("repair-unseals", "the layer beneath stays sealed while one on it is mended", Denied, "layer sealed"),
		repair("repair-replaces", "and is not replaced by it", Denied, "layer sealed"),
		repair("repair-mounts", "a repair has no result", Invalid, ""),
		repair("repair-lies", "a success without a layer is none: the layer is made", Harmless, ""),
		repair("repair-wrecks", "what is there afterwards and is no layer ends the repair", Refused, ""),
	)
}
