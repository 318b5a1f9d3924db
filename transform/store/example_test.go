package store_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/batchmill/batchmill/transform/store"
)

// upper is a store of one's own over another: it has the text of its objects in
// capitals. Its methods for what it does not change are the other's.
type upper struct{ *store.Memory }

// Open reads an object in capitals.
func (u upper) Open(ctx context.Context, name string) (store.Reader, store.Info, error) {
	r, info, err := u.Memory.Open(ctx, name)
	if err != nil {
		return nil, info, err
	}
	defer r.Close()
	text := make([]byte, info.Size)
	if _, err := r.ReadAt(text, 0); err != nil {
		return nil, info, err
	}
	return capitals{strings.NewReader(strings.ToUpper(string(text))), info}, info, nil
}

type capitals struct {
	*strings.Reader
	info store.Info
}

func (capitals) Close() error                { return nil }
func (c capitals) Stat() (store.Info, error) { return c.info, nil }

func Example() {
	s := upper{store.NewMemory()}
	if err := s.Put("a/greeting.txt", []byte("hello")); err != nil {
		fmt.Println(err)
		return
	}
	for info, err := range s.List(context.Background(), "a") {
		if err != nil {
			fmt.Println(err)
			return
		}
		r, _, _ := s.Open(context.Background(), info.Name)
		text := make([]byte, info.Size)
		_, _ = r.Read(text)
		fmt.Printf("%s: %s\n", info.Name, text)
	}
	// Output: a/greeting.txt: HELLO
}
