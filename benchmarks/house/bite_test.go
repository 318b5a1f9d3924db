package house

import "testing"

// TestRulesBite shows each arrow that turns back to the rules, and some that do not.
func TestRulesBite(t *testing.T) {
	for _, c := range []struct {
		from, to string
		allowed  bool
	}{
		{"cmd/batchmill", "transform", true},
		{"cmd/batchmill", "transform/ledger", true},
		{"transform", "transform/store", true},
		{"transform", "transform/ledger", true},
		{"transform/jobtest", "transform/ledger", true},
		{"transform/jobtest", "formats/parquet", true},
		{"transform/ledger", "transform/plan", true},
		{"transform/ledger", "transform/answerlog", true},
		{"transform/plan", "transform/codec", true},
		{"transform/plan", "transform/store/s3", true},
		{"transform/codec", "formats/csv", true},
		{"transform/codec", "transform/job", true},
		{"transform/job", "workers", true},
		{"transform/fleet", "workers/container", true},
		{"transform/answerlog", "transform/store", true},
		{"formats/csv", "formats/json", true},
		{"workers/reference", "workers", true},
		{"transform/store/storetest", "transform/store", true},
		{"transform/store/s3", "github.com/aws/aws-sdk-go-v2/service/s3", true},
		{"benchmarks/cmd/floor", "benchmarks/floor", true},
		{"benchmarks/cmd/bench", "transform/store/s3/s3test", true},

		// Upward in the core.
		{"transform/job", "transform/codec", false},
		{"transform/job", "transform/plan", false},
		{"transform/job", "transform", false},
		{"transform/codec", "transform/plan", false},
		{"transform/codec", "transform/ledger", false},
		{"transform/codec", "transform", false},
		{"transform/plan", "transform/ledger", false},
		{"transform/plan", "transform", false},
		{"transform/answerlog", "transform/ledger", false},
		{"transform/answerlog", "transform", false},
		{"transform/ledger", "transform", false},
		// Leaves of the core.
		{"transform/job", "transform/store", false},
		{"transform/job", "workers/container", false},
		{"transform/job", "formats/parquet/encode", false},
		{"transform/answerlog", "transform/job", false},
		{"transform/answerlog", "transform/plan", false},
		{"transform/answerlog", "transform/store/s3", false},
		{"transform/ordered", "transform/job", false},
		{"transform/roster", "transform/store", false},
		{"transform/manifest", "transform/store", false},
		{"transform/manifest", "transform", false},
		{"transform/codec", "transform/store", false},
		{"transform/codec", "workers", false},
		// Codec alone knows single formats, plan alone single stores.
		{"transform", "formats/csv", false},
		{"transform/plan", "formats/csv", false},
		{"transform/ledger", "formats/jsonl", false},
		{"transform/answerlog", "formats/parquet", false},
		{"transform", "transform/store/s3", false},
		{"transform/ledger", "transform/store/s3", false},
		{"transform", "transform/fleet", false},
		{"transform/fleet", "transform", false},
		{"transform/fleet", "transform/store", false},
		// Hosts are the engine's.
		{"transform/plan", "workers", false},
		{"transform/ledger", "workers", false},
		{"transform", "workers/container", false},
		// Who may know what.
		{"benchmarks/corpus", "transform/ledger", false},
		{"examples/sklearn", "transform/ledger", false},
		{"cmd/batchmill", "transform/jobtest", false},
		{"transform/crashtest", "transform/jobtest", false},
		{"transform/jobtest", "transform/crashtest", false},
		{"cmd/batchmill", "transform/store/storetest", false},
		{"cmd/batchmill", "transform/store/s3/s3test", false},
		{"workers/container", "workers/container/containertest", false},

		{"formats", "transform", false},
		{"formats/csv", "workers", false},
		{"formats/csv", "transform/store", false},
		{"workers", "formats", false},
		{"workers/reference", "transform/manifest", false},
		{"transform/store/s3", "transform", false},
		{"transform/store/s3", "transform/job", false},
		{"transform/store", "transform/manifest", false},
		{"transform", "github.com/aws/aws-sdk-go-v2/service/s3", false},
		{"transform/store/s3/s3test", "github.com/aws/aws-sdk-go-v2/service/s3", false},
		{"transform/store", "github.com/aws/smithy-go", false},
		{"transform", "cmd/batchmill", false},
		{"benchmarks/floor", "cmd/batchmill", false},
		{"transform", "benchmarks/corpus", false},
	} {
		if got := violations(c.from, map[string]bool{c.to: true}); (len(got) == 0) != c.allowed {
			t.Errorf("%s -> %s: allowed %v, complaints %q", c.from, c.to, c.allowed, got)
		}
	}
	for to, complaints := range map[string]int{"transform/store/storetest": 0, "transform/jobtest": 1} {
		if got := violations("cmd/batchmill", map[string]bool{to: false}); len(got) != complaints {
			t.Errorf("a test of cmd/batchmill imports %s: %d complaints, want %d", to, len(got), complaints)
		}
	}
}
