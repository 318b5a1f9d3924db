package jobtest

import (
	"context"
	"strconv"
	"strings"
	"testing"

	"github.com/batchmill/batchmill/transform"
	"github.com/batchmill/batchmill/transform/codec"
	"github.com/batchmill/batchmill/transform/plan"
	"github.com/batchmill/batchmill/transform/store"
	"github.com/batchmill/batchmill/workers"
)

// typedHost is a matrixHost that gives its answers, right as they are, another content type.
type typedHost struct {
	*matrixHost
	contentType string
}

func (h typedHost) Name() string { return "typed" }

func (h typedHost) Invoke(ctx context.Context, r *workers.Request) (workers.Response, error) {
	resp, err := h.matrixHost.Invoke(ctx, r)
	if resp.Status == 200 {
		resp.ContentType = h.contentType
	}
	return resp, err
}

// foreignMedia are types that are certainly none of answers.
var foreignMedia = []string{
	"text/html", "text/html; charset=utf-8", "TEXT/HTML", "application/xhtml+xml", "image/png", "image/svg+xml", "application/pdf",
	"text/event-stream", "multipart/form-data; boundary=x", "application/problem+json", "application/xml", "text/xml",
	"video/mp4", "application/zip", "application/x-npy", "application/grpc-web", "application/x-protobuf",
}

// TestNoForeignTypeIsAnAnswer: whatever the input, the payload, the output and the form of the
// answers, a response of a type that is certainly none of answers gives none, although
// its lines fit; another host gives them all. What --accept names is believed.
func TestNoForeignTypeIsAnAnswer(t *testing.T) {
	oneBubble(t, func(t *testing.T) {
		inputs := matrixInputs(t)
		turn, cells := 0, 0
		defer func() { t.Attr("format_cells", strconv.Itoa(cells)) }()
		for _, in := range matrixFormats {
			for _, out := range matrixFormats {
				for _, response := range matrixResponses {
					media := foreignMedia[turn%len(foreignMedia)]
					turn++
					c := pairing{in: in, out: out, join: "none", packing: "none", response: response, answer: "number"}
					c.payload = map[string]string{codec.FormatCSV: "csv", codec.FormatJSONL: "array", codec.FormatLines: "lines", codec.FormatParquet: "jsonl"}[in]
					cells++
					foreignCell(t, &c, inputs[[2]string{in, "none"}], media)
				}
			}
		}
	})
}

func foreignCell(t *testing.T, c *pairing, in store.Store, media string) {
	t.Helper()
	run := func(accept string, hosts ...workers.Host) (*transform.Result, *store.Memory, error) {
		out := store.NewMemory()
		s := c.spec()
		s.Accept = accept
		if err := s.Validate(); err != nil {
			t.Fatal(err)
		}
		p, err := plan.New(t.Context(), s, []plan.Source{{Store: in}}, out, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := transform.Run(t.Context(), closing(t, p), workers.Fleet{Hosts: hosts}, nil)
		res, err = whole(out, res, err)
		return res, out, err
	}
	accept := acceptMedia[c.response]
	if res, _, err := run(accept, typedHost{c.host(t), media}); err != nil || res.Manifest.Totals.Answered > 0 || res.Manifest.Totals.Rejected != 14 {
		t.Errorf("%+v: answers of type %s alone: error %v, %+v", *c, media, err, res)
	}
	for name, hosts := range map[string][]workers.Host{
		accept:                {c.host(t), typedHost{c.host(t), media}},
		accept + ", " + media: {typedHost{c.host(t), media}},
	} {
		if strings.HasSuffix(name, media) && strings.Contains(media, ";") {
			continue // its base is tried elsewhere
		}
		res, out, err := run(name, hosts...)
		if err != nil {
			t.Errorf("%+v: --accept %q: %v", *c, name, err)
			continue
		}
		for i, records := range matrixObjects() {
			if err := c.check(i, records, res.Manifest, out.Snapshot()); err != nil {
				t.Errorf("%+v: --accept %q: object %d: %v", *c, name, i, err)
			}
		}
	}
}
