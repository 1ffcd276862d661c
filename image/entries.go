package image

import (
	"cmp"
	"slices"
	"strings"
)

// None is what Docker shows in place of a name, tag or digest.
const None = "<none>"

// Entry is one row of a table of images: an image has one for each name.
type Entry struct{ Repository, Tag, Digest string }

// Entries are the rows of an image, by repository. With digests a tag has a
// row for each digest of its repository, else one; all tells whether, where
// a repository has digests only, each has a row (a digest has none
// otherwise, as in Docker, and its row shows none). Docker's order of
// repositories is by chance. (docker cli/command/formatter/image.go.)
func (s Summary) Entries(digests, all bool) []Entry {
	tags, sums := byRepository(s.RepoTags, ":"), byRepository(s.RepoDigests, "@")
	var rows []Entry
	for repo, list := range tags {
		paired := sums[repo]
		delete(sums, repo)
		if !digests || len(paired) == 0 {
			paired = []string{None}
		}
		for _, tag := range list {
			for _, d := range paired {
				rows = append(rows, Entry{repo, tag, d})
			}
		}
	}
	for repo, list := range sums {
		if !all {
			list = []string{""}
		}
		for _, d := range list {
			rows = append(rows, Entry{repo, None, d})
		}
	}
	if rows == nil {
		return []Entry{{None, None, None}}
	}
	slices.SortStableFunc(rows, func(a, b Entry) int { return cmp.Compare(a.Repository, b.Repository) })
	return rows
}

// byRepository cuts references at the last separator.
func byRepository(refs []string, separator string) map[string][]string {
	m := map[string][]string{}
	for _, ref := range refs {
		at := strings.LastIndex(ref, separator)
		m[ref[:at]] = append(m[ref[:at]], ref[at+1:])
	}
	return m
}
