package manifest

// Why a file at an input is none of the job's.
const (
	HiddenName       = "hidden_name"       // its name, or a folder's, begins with "_" or ".", and is no partition's
	UnknownExtension = "unknown_extension" // its name tells no format, and the names of others tell one
)

// MaxSample is how many files a Skipped names.
const MaxSample = 10

// Skipped are the files at the inputs that the job did not read, for one reason.
type Skipped struct {
	Reason string   `json:"reason"`
	Count  int64    `json:"count"`
	Sample []string `json:"sample"` // the URIs of the first files, at most MaxSample
}

// Skip adds a file to what all has of its reason.
func Skip(all []Skipped, reason, uri string) []Skipped {
	at := 0
	for at < len(all) && all[at].Reason != reason {
		at++
	}
	if at == len(all) {
		all = append(all, Skipped{Reason: reason})
	}
	s := &all[at]
	if s.Count++; len(s.Sample) < MaxSample {
		s.Sample = append(s.Sample, uri)
	}
	return all
}
