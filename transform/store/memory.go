package store

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"iter"
	"maps"
	"slices"
	"sync"
	"time"
)

var (
	_ Store  = (*Memory)(nil)
	_ Keeper = (*Memory)(nil)
	_ Locker = (*Memory)(nil)
)

// errCrashed is what a handle says whose process, as it were, is gone.
var errCrashed = errors.New("opened before the crash")

// Memory is a store without a disk, for tests. It is as honest about
// durability as a disk is: what was not synced is gone after [Memory.Crash]. It
// has no folders, so that, as in a bucket, both "a" and "a/b" may be objects.
type Memory struct {
	mu       sync.Mutex
	files    map[string]*memFile
	locks    map[string]bool
	appends  map[string]int64 // how often a log was opened for appending
	versions map[string]int64 // how often a name was written; it outlives the file
	life     int              // crashes so far; a handle of an earlier life is dead
}

// memFile is a visible file. Both slices may share memory: bytes once written
// are never written again, so that a reader may hold on to them.
type memFile struct {
	data   []byte // what a reader sees
	synced []byte // what a crash leaves
	mod    time.Time
}

// NewMemory makes an empty store.
func NewMemory() *Memory {
	return &Memory{files: map[string]*memFile{}, locks: map[string]bool{}, appends: map[string]int64{}, versions: map[string]int64{}}
}

// Put makes data, which is copied, the durable content of name. The error is ErrBadName.
func (m *Memory) Put(name string, data []byte) error {
	if err := checkName("create", m.URI(name), name); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.set(name, bytes.Clone(data))
	return nil
}

// Snapshot copies everything that is visible now, by name.
func (m *Memory) Snapshot() map[string][]byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := make(map[string][]byte, len(m.files))
	for name, f := range m.files {
		all[name] = append([]byte{}, f.data...)
	}
	return all
}

// Crash is a power cut: uncommitted objects, bytes appended and cuts made since
// the last Sync are forgotten, locks are free, and handles opened before fail
// from now on.
func (m *Memory) Crash() { m.CrashTorn(0) }

// CrashTorn is Crash, but up to keep bytes survive of what each file had
// grown by since its last Sync, as a disk may have written them already.
func (m *Memory) CrashTorn(keep int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.life++
	clear(m.locks)
	for _, f := range m.files {
		end := len(f.synced)
		if bytes.HasPrefix(f.data, f.synced) {
			end = min(len(f.data), end+keep)
			f.synced = f.data[:end:end]
		}
		f.data = f.synced
	}
}

// URI is "mem:" and the name.
func (m *Memory) URI(name string) string { return "mem:" + name }

// List yields what was visible at or below prefix when it began, by name.
func (m *Memory) List(ctx context.Context, prefix string) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		if err := checkPrefix("list", m.URI(prefix), prefix); err != nil {
			yield(Info{}, err)
			return
		}
		for _, info := range m.infos(prefix) {
			if err := ctx.Err(); err != nil {
				yield(Info{}, err)
				return
			}
			if !yield(info, nil) {
				return
			}
		}
		if err := ctx.Err(); err != nil {
			yield(Info{}, err)
		}
	}
}

func (m *Memory) infos(prefix string) []Info {
	m.mu.Lock()
	defer m.mu.Unlock()
	var infos []Info
	for _, name := range slices.Sorted(maps.Keys(m.files)) {
		if below(name, prefix) {
			infos = append(infos, m.files[name].info(name))
		}
	}
	return infos
}

func (f *memFile) info(name string) Info {
	return Info{Name: name, Size: int64(len(f.data)), ModTime: f.mod}
}

// Stat describes name. ModTime is the same in every run of a test: it counts
// how often the name was written.
func (m *Memory) Stat(ctx context.Context, name string) (Info, error) {
	f, err := m.file(ctx, "stat", name)
	if err != nil {
		return Info{}, err
	}
	return f.info(name), nil
}

// Open reads name as it is now; what is appended later is not seen.
func (m *Memory) Open(ctx context.Context, name string) (Reader, Info, error) {
	f, err := m.file(ctx, "open", name)
	if err != nil {
		return nil, Info{}, err
	}
	h := m.handle(name)
	return &memReader{memHandle: h, r: bytes.NewReader(f.data), info: f.info(name)}, f.info(name), nil
}

// file is a copy of the file's state.
func (m *Memory) file(ctx context.Context, op, name string) (memFile, error) {
	if err := m.begin(ctx, op, name); err != nil {
		return memFile{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	f, ok := m.files[name]
	if !ok {
		return memFile{}, wrap(op, m.URI(name), fs.ErrNotExist)
	}
	return *f, nil
}

func (m *Memory) begin(ctx context.Context, op, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return checkName(op, m.URI(name), name)
}

// Create begins an object; its bytes are nowhere to be seen before Commit.
func (m *Memory) Create(ctx context.Context, name string, mode Mode) (Object, error) {
	if err := m.begin(ctx, "create", name); err != nil {
		return nil, err
	}
	return &memObject{memHandle: m.handle(name), mode: mode}, nil
}

// ReadLog is Open: a log is a file like others.
func (m *Memory) ReadLog(ctx context.Context, name string) (Reader, Info, error) {
	return m.Open(ctx, name)
}

// Append opens name for appending. The name is durable at once, as it is
// after a disk has synced the folder; the bytes are not before Sync.
func (m *Memory) Append(ctx context.Context, name string, seen int64) (Appender, error) {
	if err := m.begin(ctx, "append", name); err != nil {
		return nil, err
	}
	h := m.handle(name)
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.files[name]; !ok {
		m.set(name, nil)
	}
	f := m.files[name]
	if int64(len(f.data)) > seen {
		return nil, wrap("append", m.URI(name), ErrGrown)
	}
	m.appends[name]++
	return &memAppender{memHandle: h, f: f, turn: m.appends[name]}, nil
}

// Spill makes a file that nobody else sees and that no crash leaves.
func (m *Memory) Spill(ctx context.Context, name string) (Spill, error) {
	if err := m.begin(ctx, "spill", name); err != nil {
		return nil, err
	}
	return &memSpill{memHandle: m.handle(name)}, nil
}

// Remove forgets name and everything below it, durably.
func (m *Memory) Remove(ctx context.Context, name string) error {
	if err := m.begin(ctx, "remove", name); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	maps.DeleteFunc(m.files, func(n string, _ *memFile) bool { return below(n, name) })
	return nil
}

// Locked tells whether the lock is held.
func (m *Memory) Locked(ctx context.Context, name string) (bool, error) {
	if err := m.begin(ctx, "lock", name); err != nil {
		return false, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.locks[name], nil
}

// Lock takes the lock called name. It is no file: Snapshot does not show it.
func (m *Memory) Lock(ctx context.Context, name string) (func() error, error) {
	if err := m.begin(ctx, "lock", name); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.locks[name] {
		return nil, wrap("lock", m.URI(name), ErrLocked)
	}
	m.locks[name] = true
	life, once := m.life, sync.Once{}
	return func() error {
		m.mu.Lock()
		defer m.mu.Unlock()
		once.Do(func() {
			if m.life == life { // or it is another life's lock by now
				delete(m.locks, name)
			}
		})
		return nil
	}, nil
}

// set makes data the durable content of name. The caller holds m.mu.
func (m *Memory) set(name string, data []byte) {
	data = slices.Clip(data)
	m.files[name] = &memFile{data: data, synced: data, mod: m.tick(name)}
}

// tick counts a change of name. The caller holds m.mu.
func (m *Memory) tick(name string) time.Time {
	m.versions[name]++
	return time.Unix(m.versions[name], 0).UTC()
}
