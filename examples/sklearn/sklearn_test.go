package sklearn_test

import (
	"slices"
	"strings"
	"testing"
)

var csvArgs = []string{"--join", "input", "--header", "yes"}

// joinedCSV is what a job must write for the CSV rows: each row's own text,
// then scikit-learn's.
func (d *dataset) joinedCSV() []string {
	out := []string{d.header + ",prediction_1,prediction_2"}
	for i, row := range d.csv {
		out = append(out, row+","+d.wantCSV[i])
	}
	return out
}

// joinedJSON is the same for the JSON Lines.
func (d *dataset) joinedJSON() []string {
	var out []string
	for i, row := range d.jsonl {
		out = append(out, strings.TrimSuffix(row, "}")+`,"prediction":`+d.wantJS[i]+"}")
	}
	return out
}

// wholeCSV is the job that scores all rows as CSV.
func (d *dataset) wholeCSV(host string, args ...string) job {
	return job{name: "cancer.csv", text: d.header + "\n" + lines(d.csv), host: host, args: append(slices.Clone(csvArgs), args...)}
}

// wantAll checks that every record was answered with scikit-learn's own text.
func wantAll(t *testing.T, d *dataset, f finished, want []string) manifest {
	t.Helper()
	if f.exit != 0 {
		t.Fatalf("exit %d, want 0", f.exit)
	}
	f.wantOutput(t, want)
	m := f.manifest(t)
	if n := len(d.csv); m.Totals.RecordsIn != n || m.Totals.RecordsOut != n || m.Totals.RecordsRejected != 0 {
		t.Errorf("totals %+v, want %d records in and out", m.Totals, n)
	}
	if !f.exists("_SUCCESS") {
		t.Error("all is published, but there is no _SUCCESS")
	}
	return m
}

func TestWholeDataset(t *testing.T) {
	d := needDataset(t)
	url := startHost(t)
	for _, c := range []struct {
		name string
		job  job
		want []string
	}{
		{"csv", d.wholeCSV(url), d.joinedCSV()},
		{"one record a request", d.wholeCSV(url, "--batch-records", "1"), d.joinedCSV()},
		{"blank lines in csv", job{name: "cancer.csv", host: url, args: csvArgs,
			text: "\n" + d.header + "\n\n" + withGaps(d.csv, 7)}, d.joinedCSV()},
		{"json lines", job{name: "cancer.jsonl", host: url, text: lines(d.jsonl),
			args: []string{"--join", "input"}}, d.joinedJSON()},
		{"json", job{name: "cancer.jsonl", host: url, text: lines(d.jsonl),
			args: []string{"--join", "input", "--content-type", "application/json"}}, d.joinedJSON()},
		{"blank lines in json lines", job{name: "cancer.jsonl", host: url, text: withGaps(d.jsonl, 7),
			args: []string{"--join", "input"}}, d.joinedJSON()},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := wantAll(t, d, c.job.run(t), c.want)
			if m.Totals.Retries != 0 {
				t.Errorf("%d retries on a host without faults", m.Totals.Retries)
			}
		})
	}
}

// withGaps puts a blank line after every n-th row, and two at the end.
func withGaps(rows []string, n int) string {
	var b strings.Builder
	for i, row := range rows {
		b.WriteString(row + "\n")
		if i%n == 0 {
			b.WriteString("\n")
		}
	}
	return b.String() + "\n\n"
}

// TestOneBadRow: the host fails a whole request for it; only the row may be lost.
func TestOneBadRow(t *testing.T) {
	const at = 299 // record 300
	d := needDataset(t)
	url := startHost(t)
	_, rest, _ := strings.Cut(d.csv[at], ",")
	badCSV := slices.Clone(d.csv)
	badCSV[at] = "n/a," + rest
	_, rest, _ = strings.Cut(d.jsonl[at], ",")
	badJS := slices.Clone(d.jsonl)
	badJS[at] = `{"mean radius": "n/a",` + rest

	placeholder, skip := d.joinedCSV(), d.joinedCSV()
	placeholder[at+1] = badCSV[at] + ",,"
	skip = slices.Delete(skip, at+1, at+2)
	null := d.joinedJSON()
	null[at] = strings.TrimSuffix(badJS[at], "}") + `,"prediction":null}`

	csvText := d.header + "\n" + lines(badCSV)
	for _, c := range []struct {
		name string
		job  job
		want []string
		out  int
	}{
		{"csv placeholder", job{name: "cancer.csv", text: csvText, host: url, args: csvArgs}, placeholder, len(d.csv)},
		{"csv skip", job{name: "cancer.csv", text: csvText, host: url,
			args: append(slices.Clone(csvArgs), "--on-bad", "skip")}, skip, len(d.csv) - 1},
		{"json lines", job{name: "cancer.jsonl", text: lines(badJS), host: url, args: []string{"--join", "input"}}, null, len(d.csv)},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := c.job.run(t)
			wantOneReject(t, d, f, c.want, reject{Object: c.job.name, Record: at + 1, Status: 500}, c.out)
		})
	}
}

// wantOneReject checks that one record was set aside and all others answered.
// The reject's reason must be there; its wording is batchmill's own tests' business.
func wantOneReject(t *testing.T, d *dataset, f finished, output []string, want reject, out int) {
	t.Helper()
	if f.exit != 3 {
		t.Fatalf("exit %d, want 3", f.exit)
	}
	f.wantOutput(t, output)
	m := f.manifest(t)
	if m.Totals.RecordsIn != len(d.csv) || m.Totals.RecordsOut != out || m.Totals.RecordsRejected != 1 {
		t.Errorf("totals %+v, want %d in, %d out, 1 rejected", m.Totals, len(d.csv), out)
	}
	list := f.rejects(t)
	if len(list) != 1 {
		t.Fatalf("%d rejects, want 1: %+v", len(list), list)
	}
	got := list[0]
	if got.Reason == "" {
		t.Error("the reject has no reason")
	}
	got.Reason = ""
	if !strings.HasSuffix(got.Object, want.Object) {
		t.Errorf("reject of object %q, want %q", got.Object, want.Object)
	}
	got.Object = want.Object
	if got != want {
		t.Errorf("reject %+v, want %+v", got, want)
	}
}

// TestStartingHost: 502 until the model is up, with a ping to wait for and without.
func TestStartingHost(t *testing.T) {
	d := needDataset(t)
	if _, err := buildBinary(); err != nil { // before the host's clock runs
		t.Fatal(err)
	}
	t.Run("ping", func(t *testing.T) {
		m := wantAll(t, d, d.wholeCSV(startHost(t, "START_DELAY=3")).run(t), d.joinedCSV())
		if m.Totals.Retries != 0 {
			t.Errorf("%d retries: records were sent before the ping was good", m.Totals.Retries)
		}
	})
	t.Run("no ping", func(t *testing.T) {
		url := startHost(t, "START_DELAY=3") + "/invocations"
		m := wantAll(t, d, d.wholeCSV(url, "--attempts", "10").run(t), d.joinedCSV())
		if m.Totals.Retries == 0 {
			t.Error("no retries: the job did not meet the starting host, so this test shows nothing")
		}
	})
}

// TestSmallServerLimit: a batch of 100 rows is about 20 kB, five times what the host takes.
func TestSmallServerLimit(t *testing.T) {
	d := needDataset(t)
	url := startHost(t, "MAX_CONTENT_LENGTH=4096")
	t.Run("halves", func(t *testing.T) {
		m := wantAll(t, d, d.wholeCSV(url).run(t), d.joinedCSV())
		if least := len(d.csv) * 150 / 4096; m.Totals.Requests < least {
			t.Errorf("%d requests, but the rows do not fit into fewer than %d", m.Totals.Requests, least)
		}
	})
	t.Run("one record over it", func(t *testing.T) {
		const at = 41
		rows, want := slices.Clone(d.csv), d.joinedCSV()
		first, rest, _ := strings.Cut(rows[at], ",")
		rows[at] = first + strings.Repeat("0", 4096) + "," + rest // the same number
		want[at+1] = rows[at] + ",,"
		f := job{name: "cancer.csv", text: d.header + "\n" + lines(rows), host: url, args: csvArgs}.run(t)
		wantOneReject(t, d, f, want, reject{Object: "cancer.csv", Record: at + 1, Status: 413}, len(rows))
	})
}

// TestWrongSettings: what fails for every record is said once, and leaves no output.
func TestWrongSettings(t *testing.T) {
	d := needDataset(t)
	url := startHost(t)
	for _, c := range []struct {
		name string
		args []string
		exit int
		says string
	}{
		{"charset", []string{"--content-type", "text/csv; charset=utf-8"}, 64, "415"},
		{"header in every payload", []string{"--send-header"}, 65, "500"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := d.wholeCSV(url, c.args...).run(t)
			if f.exit != c.exit {
				t.Errorf("exit %d, want %d", f.exit, c.exit)
			}
			if !strings.Contains(f.stderr, c.says) {
				t.Errorf("stderr does not name the host's %s", c.says)
			}
			for _, name := range []string{"cancer.csv", "_SUCCESS"} {
				if f.exists(name) {
					t.Errorf("%s exists after a job that failed", name)
				}
			}
		})
	}
}
