package arrow

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	flatbuffers "github.com/google/flatbuffers/go"
)

// message makes a value of what root builds.
func message(root func(b *flatbuffers.Builder) flatbuffers.UOffsetT) string {
	b := flatbuffers.NewBuilder(0)
	schema := root(b)
	b.StartObject(5)
	b.PrependByteSlot(messageHeaderType, headerSchema, 0)
	b.PrependUOffsetTSlot(messageHeader, schema, 0)
	b.Finish(b.EndObject())
	return wrap(b.FinishedBytes())
}

// fields makes a schema of n times the same field, nested as deep as depth with
// width children at each level, each of them the same table again.
func fields(b *flatbuffers.Builder, typeID byte, slots, width, depth int) flatbuffers.UOffsetT {
	var children []flatbuffers.UOffsetT
	for range depth {
		b.StartObject(0)
		t := b.EndObject()
		nested := b.CreateVectorOfTables(children)
		b.StartObject(slots)
		b.PrependByteSlot(fieldTypeType, typeID, 0)
		b.PrependUOffsetTSlot(fieldType, t, 0)
		b.PrependUOffsetTSlot(fieldChildren, nested, 0)
		if slots > len(layouts[fieldTable]) {
			b.PrependInt32Slot(slots-1, 1, 0)
		}
		f := b.EndObject()
		children = nil
		for range width {
			children = append(children, f)
		}
	}
	list := b.CreateVectorOfTables(children)
	b.StartObject(4)
	b.PrependUOffsetTSlot(schemaFields, list, 0)
	return b.EndObject()
}

func TestHostile(t *testing.T) {
	shaped := func(typeID byte, slots, width, depth int) string {
		return message(func(b *flatbuffers.Builder) flatbuffers.UOffsetT { return fields(b, typeID, slots, width, depth) })
	}
	tests := []struct{ name, value, want string }{
		{"a type from the future", shaped(27, 7, 1, 1), "type 27 is not known"},
		{"no type", shaped(0, 7, 1, 1), "type 0 is not known"},
		{"a slot from the future", shaped(13, 8, 1, 1), "slot 7 of a table that has 7"},
		{"too deep", shaped(13, 7, 1, maxDepth+2), "more than 100 tables in one another"},
		{"deep enough", shaped(13, 7, 1, maxDepth), ""},
		// 2 to the power of 90 fields, if each were copied
		{"unfolds", shaped(13, 7, 2, 90), ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := Extend(test.value, nil, nil)
			if test.want == "" {
				if err != nil || len(got) > 2*len(test.value) {
					t.Fatalf("%d bytes from %d, %v", len(got), len(test.value), err)
				}
				return
			}
			if e, ok := errors.AsType[*Error](err); !ok || e.Message != test.want || e.Offset <= 0 {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

// Each byte of good values, changed in a few ways, and each shorter length:
// an error, or a value that reads as well as the one it was made of.
func TestDamage(t *testing.T) {
	for _, name := range goldens {
		buf, err := unwrap(golden(t, name))
		if err != nil {
			t.Fatal(err)
		}
		for i := range buf {
			extendDamaged(t, buf[:i])
			for _, flip := range []byte{0x01, 0x04, 0x80, 0xFF} {
				bad := append([]byte(nil), buf...)
				bad[i] ^= flip
				extendDamaged(t, bad)
			}
		}
	}
}

func FuzzExtend(f *testing.F) {
	for _, name := range goldens {
		buf, err := unwrap(golden(f, name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(buf)
	}
	f.Fuzz(func(t *testing.T, buf []byte) { extendDamaged(t, buf) })
}

func extendDamaged(t *testing.T, buf []byte) {
	t.Helper()
	var msg []byte
	msg = binary.LittleEndian.AppendUint32(msg, uint32(len(buf)))
	value := base64.StdEncoding.EncodeToString(append(msg, buf...))
	names, namesErr := Fields(value)
	got, err := Extend(value, nil, []Field{{"answer", Doubles}})
	if err != nil {
		if _, ok := errors.AsType[*Error](err); !ok {
			t.Fatalf("an error of another type: %v", err)
		}
		return
	}
	if namesErr != nil {
		t.Fatalf("extended, but without names: %v", namesErr)
	}
	after, err := Fields(got)
	if err != nil || len(after) != len(names)+1 || after[len(names)] != "answer" {
		t.Fatalf("%q became %q, %v", names, after, err)
	}
	if len(got) > 4*len(value)+4096 {
		t.Fatalf("%d bytes became %d", len(value), len(got))
	}
	// What a copy was made of must itself be sound: it can be copied again.
	again, err := Extend(got, nil, nil)
	if err != nil {
		t.Fatalf("the copy does not read: %v", err)
	}
	if len(buf) < 1<<12 && dump(t, got) != dump(t, again) {
		t.Fatal("the copy of the copy differs")
	}
}

// dump writes a value as text. It walks by the library alone and trusts it all,
// so it is no check of the checks, but of what was copied.
func dump(t testing.TB, value string) string {
	t.Helper()
	buf, err := unwrap(value)
	if err != nil {
		t.Fatal(err)
	}
	root := flatbuffers.Table{Bytes: buf, Pos: flatbuffers.GetUOffsetT(buf)}
	d := dumper{left: 1 << 12}
	d.table(root, messageTable)
	return d.String()
}

type dumper struct {
	strings.Builder
	left int // tables; shared ones may unfold to very many
}

var shapeNames = map[shape]string{messageTable: "message", schemaTable: "schema", fieldTable: "field", keyValueTable: "keyValue",
	dictionaryTable: "dictionary", typeTable + typeInt: "Int", typeTable + typeFloat: "Float", typeTable + typeUtf8: "Utf8",
	typeTable + typeBool: "Bool", typeTable + 10: "Timestamp", typeTable + typeList: "List", typeTable + 20: "LargeUtf8"}

func (d *dumper) table(t flatbuffers.Table, of shape) {
	if d.left--; d.left < 0 {
		return
	}
	if name := shapeNames[of]; name != "" {
		d.WriteString(name + "{")
	} else {
		fmt.Fprintf(d, "table%d{", of)
	}
	sep := ""
	for i, s := range layouts[of] {
		off := flatbuffers.UOffsetT(t.Offset(flatbuffers.VOffsetT(4 + 2*i)))
		d.WriteString(sep)
		sep = " "
		if off == 0 {
			d.WriteString("_")
			continue
		}
		if s.kind == typed {
			before := flatbuffers.UOffsetT(t.Offset(flatbuffers.VOffsetT(4 + 2*(i-1))))
			s = slot{one, typeTable + shape(t.GetByte(t.Pos+before))}
		}
		d.slot(t, off, s)
	}
	d.WriteString("}")
}

func (d *dumper) slot(t flatbuffers.Table, off flatbuffers.UOffsetT, s slot) {
	switch s.kind {
	case text:
		d.WriteString(strconv.Quote(t.String(t.Pos + off)))
	case one:
		d.table(flatbuffers.Table{Bytes: t.Bytes, Pos: t.Indirect(t.Pos + off)}, s.of)
	case many:
		d.WriteString("many[")
		for i := range t.VectorLen(off) {
			if d.left < 0 {
				break
			}
			if i > 0 {
				d.WriteString(" ")
			}
			at := t.Vector(off) + flatbuffers.UOffsetT(4*i)
			d.table(flatbuffers.Table{Bytes: t.Bytes, Pos: t.Indirect(at)}, s.of)
		}
		d.WriteString("]")
	case ints, longs:
		at, n := int(t.Vector(off)), t.VectorLen(off)*s.kind.element()
		fmt.Fprintf(d, "[%x]", t.Bytes[at:at+n])
	default:
		at := int(t.Pos + off)
		fmt.Fprintf(d, "%x", t.Bytes[at:at+int(s.kind)])
	}
}

// misaligned names the first value that does not stand at a multiple of its
// size, which readers in other languages refuse. The walk is the checked one.
func misaligned(buf []byte) string {
	message, schema, err := open(buf)
	if err != nil {
		return err.Error()
	}
	bad := ""
	for of, t := range map[shape]table{messageTable: message, schemaTable: schema} {
		bad += misalignedTable(t, of)
	}
	return bad
}

func misalignedTable(t table, of shape) (bad string) {
	if t.pos%4 != 0 || t.slots%2 != 0 {
		bad = fmt.Sprintf("table at %d, vtable at %d; ", t.pos, t.slots)
	}
	for i, s := range layouts[of] {
		at := t.slot(i)
		if at%s.kind.size() != 0 {
			bad += fmt.Sprintf("slot %d of shape %d at %d; ", i, of, at)
		}
		if at == 0 || s.kind.scalar() {
			continue
		}
		to, _ := follow(t.buf, at)
		first := 4
		if s.kind == longs {
			first = 8
		}
		if to%4 != 0 || s.kind == longs && (to+4)%first != 0 {
			bad += fmt.Sprintf("slot %d of shape %d points to %d; ", i, of, to)
		}
		if s.kind == many {
			at, n, _ := vectorAt(t.buf, at, 4)
			for j := range n {
				if t, err := tableAt(t.buf, at+4*j, s.of); err == nil {
					bad += misalignedTable(t, s.of)
				}
			}
		}
	}
	return bad
}
