package storetest_test

import (
	"testing"

	"github.com/batchmill/batchmill/transform/store"
	"github.com/batchmill/batchmill/transform/store/storetest"
)

func TestBucketConforms(t *testing.T) {
	storetest.Conform(t, func(*testing.T) store.Store { return storetest.NewBucket("b").Connect(storetest.Weather{}) })
}

// TestBucketConformsInBadWeather: whatever gets lost, the client finds out what
// became of it.
func TestBucketConformsInBadWeather(t *testing.T) {
	for seed := range uint64(3) {
		storetest.Conform(t, func(*testing.T) store.Store {
			return storetest.NewBucket("b").Connect(storetest.Weather{Seed: seed, Lost: 0.02, Busy: 0.02})
		})
	}
}
