package formats

// A Layout is what all output records of a job have in common because of its
// answers. The job's first answers in input order fix the Layout, once.
type Layout struct {
	// Fields is the number of output fields that an answer takes; 0 where
	// the output's format does not fix it.
	Fields int `json:"fields"`
	// Columns are the answer's columns where the output's columns have types.
	Columns []Column `json:"columns,omitempty"`
	// Seen is how many answers were looked at.
	Seen int `json:"seen,omitempty"`
	// Guessed: the answers looked at did not decide all, as nulls do not.
	Guessed bool `json:"guessed,omitempty"`
}

// A Column is a typed column of an output.
type Column struct {
	Name string `json:"name"`
	Type Type   `json:"type"`
}

// Type is what the values of a typed column are.
type Type string

// The types of columns that batchmill makes. Every column may hold nulls.
const (
	Unknown Type = ""        // only nulls were seen so far
	Integer Type = "integer" // 64 bits, signed
	Double  Type = "double"  // IEEE 754, 64 bits
	Boolean Type = "boolean"
	Text    Type = "string" // UTF-8
	Doubles Type = "list"   // a list of doubles
	Nested  Type = "json"   // any JSON value, as its text
)
