package cache

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// childEnv makes the test binary a process that uses a cache: "random SEED DIR" or "one ID DIR". It says on standard output what it
// does, and ends when standard input does.
const childEnv = "GOCLR_TEST_CACHE_CHILD"

const (
	childLimit = 400 << 10
	childIDs   = 12
)

// childObject is one of the objects that processes with random uses ask for; not all of them fit under the limit.
func childObject(n int) Object { return object(fmt.Sprint("object ", n), int64(n+1)*10<<10) }

func runChild(spec string) {
	var mode, what, dir string
	if _, err := fmt.Sscan(spec, &mode, &what, &dir); err != nil {
		panic(err)
	}
	lines := make(chan string)
	go func() {
		for in := bufio.NewScanner(os.Stdin); in.Scan(); {
			lines <- in.Text()
		}
		os.Exit(0)
	}()
	c, err := Open(context.Background(), Options{Dir: dir, Limit: childLimit})
	if err == nil {
		switch mode {
		case "random":
			err = useAtRandom(c, what)
		case "one":
			err = useOne(c, what, lines)
		}
	}
	fmt.Fprintln(os.Stderr, "failed:", err)
	os.Exit(1)
}

var errTransient = errors.New("the store is busy")

// useAtRandom gets objects on several goroutines until something is wrong.
func useAtRandom(c *Cache, seed string) error {
	failed := make(chan error)
	for g := range 3 {
		var key [32]byte
		copy(key[:], fmt.Sprint(seed, " ", g))
		random := rand.New(rand.NewChaCha8(key))
		go func() {
			var held []*File
			for {
				o := childObject(random.IntN(childIDs))
				b := content(o)
				fail := random.IntN(20) == 0
				f, err := c.Get(context.Background(), o, func(_ context.Context, w io.WriterAt) error {
					for i := 0; i < len(b); i += 8 << 10 {
						time.Sleep(100 * time.Microsecond) // so that kills find a process at it
						if _, err := w.WriteAt(b[i:min(i+8<<10, len(b))], int64(i)); err != nil {
							return err
						}
					}
					if fail {
						return errTransient
					}
					return nil
				})
				if errors.Is(err, errTransient) {
					continue
				}
				if err == nil {
					held = append(held, f)
					err = compareContent(f, o)
				}
				if len(held) > random.IntN(3) {
					err = errors.Join(err, compareContent(held[0], Object{ID: held[0].id(), Size: held[0].Size()}), held[0].Close())
					held = held[1:]
				}
				if err != nil {
					failed <- err
					return
				}
				fmt.Println("used")
			}
		}()
	}
	return <-failed
}

// id is the ID of an object that processes with random uses ask for.
func (f *File) id() string {
	for n := range childIDs {
		if o := childObject(n); o.key() == f.key {
			return o.ID
		}
	}
	return ""
}

// useOne gets an object. Fetching it takes a line of standard input.
func useOne(c *Cache, id string, lines <-chan string) error {
	o := object(id, 10<<10)
	fmt.Println("asking")
	f, err := c.Get(context.Background(), o, func(_ context.Context, w io.WriterAt) error {
		if err := write(w, o); err != nil {
			return err
		}
		fmt.Println("fetching")
		<-lines
		return nil
	})
	if err != nil {
		return err
	}
	if err := compareContent(f, o); err != nil {
		return err
	}
	fmt.Println("done")
	select {} // until standard input ends
}

// A child is a process that runs runChild.
type child struct {
	*exec.Cmd
	in     io.WriteCloser
	out    *bufio.Scanner
	errors bytes.Buffer
}

func startChild(t *testing.T, spec string, args ...any) *child {
	t.Helper()
	c := &child{Cmd: exec.Command(os.Args[0])}
	c.Env = append(os.Environ(), childEnv+"="+fmt.Sprintf(spec, args...))
	c.Stderr = &c.errors
	in, err1 := c.StdinPipe()
	out, err2 := c.StdoutPipe()
	if err := errors.Join(err1, err2, c.Start()); err != nil {
		t.Fatal(err)
	}
	c.in, c.out = in, bufio.NewScanner(out)
	t.Cleanup(func() { // if the test ended early
		c.Process.Kill()
		c.Wait()
	})
	return c
}

// kill ends a child, which must not have ended by itself.
func (c *child) kill(t *testing.T) {
	t.Helper()
	c.Process.Kill()
	c.Wait()
	if status, ok := c.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
		t.Fatalf("a process ended by itself: %v: %s", c.ProcessState, c.errors.String())
	}
}

// TestKilledProcesses has processes use one folder at random, and kills them at random moments. The machine restarts, too, with spoilt
// files. No byte is ever wrong, as the processes see, the folder is never over the limit, and nothing is left over.
func TestKilledProcesses(t *testing.T) {
	rounds, kills := 4, 15
	if testing.Short() {
		rounds, kills = 2, 6
	}
	dir := t.TempDir()
	random := rand.New(rand.NewPCG(5, 6))
	c := openCache(t, dir, childLimit)
	killed, partial := 0, 0
	for round := range rounds {
		children := make([]*child, 3)
		for i := range children {
			children[i] = startChild(t, "random %d.%d %s", round, i, dir)
		}
		ctx, stop := context.WithCancel(t.Context())
		var watch sync.WaitGroup
		watch.Go(func() {
			for ctx.Err() == nil {
				if bytes, names := total(t, c); bytes > childLimit {
					t.Errorf("%d bytes are there: %q", bytes, names)
				}
				time.Sleep(time.Millisecond)
			}
		})
		for k := 0; k < kills || round == rounds-1 && partial == 0; k++ { // others may remove a part before it is counted
			i := random.IntN(len(children))
			for range random.IntN(10) {
				if !children[i].out.Scan() {
					break // kill will tell
				}
			}
			time.Sleep(time.Duration(random.IntN(5000)) * time.Microsecond)
			children[i].kill(t)
			killed++
			partial += abandoned(t, c)
			children[i] = startChild(t, "random %d.%d.%d %s", round, k, i, dir)
		}
		for _, child := range children {
			child.kill(t)
			killed++
		}
		stop()
		watch.Wait()
		spoil(t, c, random)
	}
	t.Logf("%d processes were killed, %d parts found without an owner", killed, partial)

	c = openCache(t, dir, childLimit)
	s := newStore()
	for n := range childIDs {
		s.use(t, c, childObject(n))
	}
	bytes, names := total(t, c)
	if all := strings.Join(names, " "); bytes > childLimit || strings.Contains(all, part) || strings.Contains(all, unsure) {
		t.Errorf("%d bytes are left in %s", bytes, all)
	}
}

// abandoned counts the parts that belong to no process, and leaves them.
func abandoned(t *testing.T, c *Cache) (n int) {
	eachStored(t, c, func(f *folder, s stored) {
		if !s.isPart() || s.size == 0 {
			return
		}
		file, err := f.root.Open(s.name)
		if err != nil {
			t.Fatal(err)
		}
		if locked, err := tryLock(file, syscall.LOCK_EX); err != nil {
			t.Error(err)
		} else if locked {
			n++
		}
		file.Close()
	})
	return n
}

// spoil does to the files what a crash of the machine may do.
func spoil(t *testing.T, c *Cache, random *rand.Rand) {
	_, names := total(t, c)
	for _, name := range names {
		path := filepath.Join(c.dir, name)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if len(b) == 0 {
			continue
		}
		switch at := random.IntN(len(b)); random.IntN(4) {
		case 0:
			b = b[:at]
		case 1:
			clear(b[at:])
		case 2:
			b[at] ^= 1
		}
		writeFile(t, path, b)
	}
	writeFile(t, filepath.Join(c.dir, bootFile), []byte("another"))
}

// TestProcessesFetchOnce has processes ask for one object, and kills the first two that fetch it.
func TestProcessesFetchOnce(t *testing.T) {
	const kills = 2
	dir := t.TempDir()
	type saying struct {
		who  int
		what string
	}
	said := make(chan saying)
	children := make([]*child, 4)
	var readers sync.WaitGroup
	for i := range children {
		c := startChild(t, "one object %s", dir)
		children[i] = c
		readers.Go(func() {
			for c.out.Scan() {
				said <- saying{i, c.out.Text()}
			}
			said <- saying{i, "ended"}
		})
	}
	count, last := map[string]int{}, map[string]int{}
	await := func(what string, n int) (who int) {
		for count[what] < n {
			s := <-said
			count[s.what]++
			last[s.what] = s.who
			if count["ended"] > kills {
				c := children[s.who]
				c.Wait()
				t.Fatalf("a process ended by itself: %v: %s", c.ProcessState, c.errors.String())
			}
		}
		return last[what]
	}
	await("asking", len(children))
	for k := range kills {
		children[await("fetching", k+1)].Process.Kill()
		await("ended", k+1)
	}
	fmt.Fprintln(children[await("fetching", kills+1)].in)
	await("done", len(children)-kills)
	if count["fetching"] != kills+1 {
		t.Errorf("fetched %d times", count["fetching"])
	}
	if c := openCache(t, dir, childLimit); newStore().use(t, c, object("object", 10<<10)) {
		t.Error("it is not there afterwards")
	}
	go func() {
		readers.Wait()
		close(said)
	}()
	for _, c := range children {
		c.in.Close()
	}
	for range said { // to the end
	}
}
