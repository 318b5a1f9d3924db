package splice

import "fmt"

// A FormatError is a file that is not good Parquet, or whose column chunks
// cannot be copied. Trying again does not help.
type FormatError struct{ Message string }

func (e *FormatError) Error() string { return e.Message }

func bad(format string, args ...any) error {
	return &FormatError{Message: fmt.Sprintf(format, args...)}
}

// An EncryptedError is a file of which a part is encrypted.
type EncryptedError struct{ Part string }

func (e *EncryptedError) Error() string {
	return e.Part + " is encrypted, and there are no keys to read it with; decrypt the file first"
}

// A ClashError is an output that would have two columns of one name.
type ClashError struct{ Name string }

func (e *ClashError) Error() string {
	return fmt.Sprintf("two columns have the name %q; give one another name or leave it out", e.Name)
}
