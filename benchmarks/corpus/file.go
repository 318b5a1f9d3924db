package corpus

import (
	"errors"
	"fmt"
	"os"
)

// WriteFile writes the corpus to the file called name and replaces what stood
// there. The name appears only when the file is whole, so one that exists can
// be used again without a look inside.
func WriteFile(name string, s Spec) error {
	part := name + ".part"
	f, err := os.Create(part)
	if err != nil {
		return err
	}
	if err := errors.Join(Write(f, s), f.Close()); err != nil {
		_ = os.Remove(part) // the first error is the one worth telling
		return fmt.Errorf("write %s: %w", name, err)
	}
	return os.Rename(part, name)
}
