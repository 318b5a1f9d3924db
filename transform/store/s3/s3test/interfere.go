package s3test

import "io"

// foreign puts somebody else's object under the key, and tells whether it is there.
func (x *exchange) foreign() bool {
	_, err := x.p.server.Put(x.key, x.fault.Data)
	if err != nil {
		x.cut("foreign object: " + err.Error())
	}
	return err == nil
}

// gone aborts the uploads of the key, and tells whether they are gone.
func (x *exchange) gone() bool {
	err := x.p.server.AbortUploads(x.key)
	if err != nil {
		x.cut("abort uploads: " + err.Error())
	}
	return err == nil
}

// damaged is a body of which one byte is changed.
type damaged struct {
	io.ReadCloser
	at int64 // bytes to go until it comes
}

func (d *damaged) Read(p []byte) (int, error) {
	n, err := d.ReadCloser.Read(p)
	if 0 <= d.at && d.at < int64(n) {
		p[d.at] ^= 0x20
	}
	d.at -= int64(n)
	return n, err
}
