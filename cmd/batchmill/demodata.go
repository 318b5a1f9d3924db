package main

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// The demo's data: readings of sensors in a few files. One reading in a hundred
// has a note with a line break in quotes, and one in all makes the model fail.
const (
	demoFiles   = 4
	demoRecords = 75_000 // in each file
	demoBadFile = 2      // counted from 1; its bad record stands in the middle
	demoSeed    = 2024
	// demoPoison is the text on which the demo's model fails.
	demoPoison = "sensor on fire"
)

// writeDemoData writes the input files into dir, of so many records each. The
// same bytes every time.
func writeDemoData(dir string, records int) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	for file := 1; file <= demoFiles; file++ {
		if err := writeDemoFile(filepath.Join(dir, fmt.Sprintf("readings-%d.csv", file)), file, records); err != nil {
			return err
		}
	}
	return nil
}

func writeDemoFile(path string, file, records int) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() {
		if closed := f.Close(); err == nil {
			err = closed
		}
	}()
	w := bufio.NewWriterSize(f, 1<<16)
	random := rand.New(rand.NewPCG(demoSeed, uint64(file)))
	fmt.Fprint(w, "id,site,temperature,pressure,humidity,note\n")
	for row := 1; row <= records; row++ {
		note := "ok"
		switch n := random.IntN(100); {
		case file == demoBadFile && row == (records+1)/2:
			note = demoPoison
		case n == 0:
			note = "\"drifts, see log:\nrecalibrated by \"\"K\"\"\""
		case n < 10:
			note = `"late, but good"`
		}
		fmt.Fprintf(w, "%07d,site-%02d,%.2f,%.1f,%d,%s\n", (file-1)*records+row,
			random.IntN(40), 15+10*random.Float64(), 990+40*random.Float64(), 30+random.IntN(60), note)
	}
	return w.Flush()
}
