package s3_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/batchmill/batchmill/transform/store"
	"github.com/batchmill/batchmill/transform/store/s3"
	"github.com/batchmill/batchmill/transform/store/s3/s3test"
	"github.com/batchmill/batchmill/transform/store/s3/s3test/bucket"
	"github.com/batchmill/batchmill/transform/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(s3test.Shared(m)) }

// openAt opens the folder of a bucket that endpoint serves.
func openAt(t *testing.T, endpoint, bucket, folder string, o s3.Options) *s3.Store {
	t.Helper()
	o.Endpoint = endpoint
	s, err := s3.Open(t.Context(), s3.Location{Bucket: bucket, Key: folder}, o)
	if err != nil {
		t.Fatal(err)
	}
	s.Hasten()
	return s
}

// TestBucketConforms holds the store against the contract over a bucket in memory,
// in calm weather and where requests and answers get lost.
func TestBucketConforms(t *testing.T) {
	for seed := range uint64(4) {
		w := bucket.Weather{}
		if seed > 0 {
			w = bucket.Weather{Seed: seed, Lost: 0.02, Busy: 0.02}
		}
		storetest.Conform(t, func(*testing.T) store.Store {
			o := s3.Options{Part: 64, Memory: 64 << 10, Concurrency: 3}
			b := bucket.New("b")
			b.Page = 5
			return s3.Over(b.Connect(w).Calls(), s3.Location{Bucket: "b"}, o)
		})
	}
}

// TestConforms holds the store against the contract, in front of a real server:
// as a whole bucket, as a folder of one, and with checksums, which it uses where
// Probe has found that the service takes them.
func TestConforms(t *testing.T) {
	for _, c := range []struct {
		name, folder string
		probe        bool
	}{
		{"bucket", "", false},
		{"folder", "a folder/of it", false},
		{"probed", "out", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			storetest.Conform(t, func(t *testing.T) store.Store {
				server := s3test.Start(t)
				s := openAt(t, server.Endpoint, server.Bucket, c.folder, s3.Options{})
				if c.probe {
					if err := s.Probe(t.Context(), "_batchmill"); err != nil {
						t.Fatal(err)
					}
				}
				return s
			})
		})
	}
}
