package codec

import (
	"fmt"
	"mime"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/formats/charset"
)

// recoded decodes answers of a response whose Content-Type names a charset.
type recoded struct {
	formats.Decoder
	charset *charset.Encoding
	err     error // why there is no charset
}

// inCharset is d for responses of a content type; d itself where no other charset
// than UTF-8 is named. A charset that is not known makes every response a bad answer.
func inCharset(d formats.Decoder, contentType string) formats.Decoder {
	_, params, err := mime.ParseMediaType(contentType)
	if err != nil || params["charset"] == "" {
		return d
	}
	e, err := charset.Find(params["charset"])
	if err == nil && e.Identity() {
		return d
	}
	return recoded{d, e, err}
}

// Decode implements formats.Decoder. Answers stand in the decoded text.
func (d recoded) Decode(dst []formats.Answer, body []byte, want int) ([]formats.Answer, []byte, error) {
	text, err := d.text(body)
	if err != nil {
		return dst, body, err
	}
	return d.Decoder.Decode(dst, text, want)
}

// Whole implements formats.Decoder.
func (d recoded) Whole(body []byte) bool {
	text, err := d.text(body)
	return err == nil && d.Decoder.Whole(text)
}

// text is the response as UTF-8; the error is a *formats.SyntaxError.
func (d recoded) text(body []byte) ([]byte, error) {
	if d.err != nil {
		return nil, &formats.SyntaxError{Message: "the charset of the Content-Type: " + d.err.Error()}
	}
	text, at, err := d.charset.Text(body)
	switch {
	case err != nil:
		return nil, &formats.SyntaxError{Message: err.Error()}
	case at >= 0:
		return nil, &formats.SyntaxError{Offset: at, Message: fmt.Sprintf("0x%02x is not %s, which the Content-Type names as the charset", body[at], d.charset)}
	}
	return text, nil
}
