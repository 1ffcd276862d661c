package image

import (
	"encoding/json"
	"time"
)

// ContainerConfig is how a container of the image starts. Names and order
// are those of Docker's API, which inspect prints.
// (moby api/types/container.Config.)
type ContainerConfig struct {
	Hostname        string
	Domainname      string
	User            string
	AttachStdin     bool
	AttachStdout    bool
	AttachStderr    bool
	ExposedPorts    map[string]struct{} `json:",omitempty"`
	Tty             bool
	OpenStdin       bool
	StdinOnce       bool
	Env             []string
	Cmd             StringList
	Healthcheck     *HealthConfig `json:",omitempty"`
	ArgsEscaped     bool          `json:",omitempty"`
	Image           string
	Volumes         map[string]struct{}
	WorkingDir      string
	Entrypoint      StringList
	NetworkDisabled bool   `json:",omitempty"`
	MacAddress      string `json:",omitempty"`
	OnBuild         []string
	Labels          map[string]string
	StopSignal      string     `json:",omitempty"`
	StopTimeout     *int       `json:",omitempty"`
	Shell           StringList `json:",omitempty"`
}

// HealthConfig is how Docker finds out whether a container is well, as far
// as 20.10 knows; StartInterval came later and is in the raw document only.
type HealthConfig struct {
	Test        []string      `json:",omitempty"`
	Interval    time.Duration `json:",omitempty"`
	Timeout     time.Duration `json:",omitempty"`
	StartPeriod time.Duration `json:",omitempty"`
	Retries     int           `json:",omitempty"`
}

// StringList is a list of strings that very old images wrote as one string.
type StringList []string

// UnmarshalJSON accepts a list, a string or null.
func (l *StringList) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '"' {
		var s string
		if err := json.Unmarshal(data, &s); err != nil {
			return err
		}
		*l = StringList{s}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(l))
}
