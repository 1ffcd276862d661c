package archive

// What the tests of the package's face need from behind it.

var Header = header

func ParseDockerManifest(data []byte) error {
	_, err := parseManifest(data)
	return err
}

func ParseIndex(data []byte) error {
	_, err := parseIndex("index.json", data)
	return err
}

func ParseImageManifest(mediaType string, data []byte) error {
	_, err := parseImageManifest("manifest", mediaType, data)
	return err
}
