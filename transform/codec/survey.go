package codec

import (
	"cmp"
	"strings"

	"github.com/batchmill/batchmill/formats/compress"
	"github.com/batchmill/batchmill/transform/job"
)

// A Survey is what the names of a job's objects say together about their format.
type Survey struct {
	Count  int
	Filled int    // the first object that is not empty; -1 when all are
	told   string // the format that the names' extensions tell; "" when they tell none
	by     string // the first object whose name told the format
	mixed  error  // the extensions tell different formats
	tabs   bool   // every name that tells a format says that tabs delimit its fields
	others bool   // a name tells no format
	// documents: a name is that of a JSON document.
	documents bool
	// The first object whose name says that it is compressed as a whole, among the names
	// that tell a format, and among the others.
	packed, packedOther error
}

// NewSurvey is the survey of no names.
func NewSurvey() *Survey { return &Survey{tabs: true, Filled: -1} }

// Add takes the name of the job's next object, which has size bytes, and tells whether the
// name tells a format. The URI is for messages.
func (s *Survey) Add(uri, name string, size int64) (tells bool) {
	if s.Filled < 0 && size > 0 {
		s.Filled = s.Count
	}
	s.Count++
	f := formatOfName(name)
	packed, plain := compress.OfFileName(name)
	if first := &s.packed; packed != compress.None {
		if f == "" {
			first = &s.packedOther
		}
		if *first == nil {
			*first = job.Usagef("unpack it first; Parquet compresses its own pages", "%s: a Parquet file inside of %s cannot be read in place", uri, packed)
		}
	}
	if f == "" {
		s.others = true
		return false
	}
	s.documents = s.documents || isDocument(name)
	s.tabs = s.tabs && strings.HasSuffix(plain, ".tsv")
	switch {
	case f == s.told:
	case s.told == "":
		s.told, s.by = f, uri
	case s.mixed == nil:
		s.mixed = job.Usagef("run them as two jobs, or say --input-format", "%s looks like %s, but %s like %s", s.by, s.told, uri, f)
	}
	return true
}

// whole is what all objects of the job say that are compressed as a whole: those whose
// names tell no format count where no name does, or where the job's user says the format.
func (s *Survey) whole(said bool) error {
	if said || s.told == "" {
		return cmp.Or(s.packed, s.packedOther)
	}
	return s.packed
}

// Format is the format that the names agree on; "" where they tell none.
func (s *Survey) Format() (string, error) { return s.told, s.mixed }
