package hostile

func bombs() []Case { return nil }
