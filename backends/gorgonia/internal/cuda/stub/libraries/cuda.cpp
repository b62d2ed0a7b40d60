// Stands for CUDA's driver. The device's memory is memory of the host that nothing but the stubs can touch, kernels are functions of a
// shared library, and copies happen as late as the order of streams and events allows.
#include "stub.h"

#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

namespace {

enum {
	SUCCESS = 0,
	INVALID_VALUE = 1,
	OUT_OF_MEMORY = 2,
	NO_DEVICE = 100,
	INVALID_DEVICE = 101,
	INVALID_IMAGE = 200,
	INVALID_CONTEXT = 201,
	NO_BINARY_FOR_GPU = 209,
	UNSUPPORTED_PTX_VERSION = 222,
	INVALID_HANDLE = 400,
	ILLEGAL_STATE = 401,
	NOT_FOUND = 500,
	NOT_READY = 600,
	ILLEGAL_ADDRESS = 700,
	LAUNCH_OUT_OF_RESOURCES = 701,
	LAUNCH_FAILED = 719,
	CAPTURE_UNSUPPORTED = 900,
	CAPTURE_INVALIDATED = 901,
	CAPTURE_ISOLATION = 905,
	CAPTURED_EVENT = 907,
	CAPTURE_WRONG_THREAD = 908,
	UNKNOWN = 999,
};

const size_t reserved = 64ull << 30, alignment = 256, large = 256 << 10; // bytes

std::recursive_mutex mutex;
std::map<std::string, std::string> settings;
std::string record;
char *arena;
size_t used;                        // bytes of the arena up to the last allocation
int visits;                         // nested uses of the arena
std::map<size_t, size_t> blocks;    // allocations, by their offsets
size_t allocated;                   // bytes of them
std::set<std::string> loaded;       // what was loaded late
size_t late;                        // bytes of that
int allocations;                    // calls of cuMemAlloc
int uploads, downloads;             // copies to the device and back
struct stream;
// An event has happened as often as it was recorded when the work before its last record in a stream is done.
struct event { int recorded = 0, happened = 0; stream *in = 0; bool captured = false; };
// An item of work begins when an event has happened so often; until then the stream waits. One that is early begins at once if it may.
struct item { std::function<void()> run; bool early; std::shared_ptr<event> after; int count; stream *in; };
// A graph is what a stream had to do while it was captured.
typedef std::vector<std::function<void()>> graph;
struct capture { int mode; bool broken; pthread_t thread; graph nodes; };
struct stream { std::deque<item> work; std::shared_ptr<capture> captured; };
std::set<stream *> streams;
std::map<uintptr_t, std::shared_ptr<event>> events;
uintptr_t lastEvent;
std::set<void *> pinned;
int copies, launches, runs, failure, retained, held;
struct module { void *library; std::string file; };
std::set<module *> modules;
thread_local void *current;

void protect(int how) {
	if (arena && used) mprotect(arena, (used + 4095) & ~4095ull, how);
}

int reserve() {
	if (arena) return SUCCESS;
	void *p = mmap(0, reserved, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED) return OUT_OF_MEMORY;
	arena = (char *)p;
	return SUCCESS;
}

// fill sets bytes. Whole pages of zeros it gives back to the system, as changing the protection of pages takes time for each that is there.
void fill(char *to, unsigned char value, size_t bytes) {
	if (value == 0 && bytes >= large) {
		char *first = (char *)(((uintptr_t)to + 4095) & ~4095ull), *end = (char *)((uintptr_t)(to + bytes) & ~4095ull);
		madvise(first, end - first, MADV_DONTNEED);
		memset(to, 0, first - to);
		memset(end, 0, to + bytes - end);
		return;
	}
	memset(to, value, bytes);
}

// begin takes the settings of a process that only uses the libraries, from its environment: name=value, with spaces between.
bool begin() {
	const char *text = getenv("GOCLR_STUB_SETTINGS");
	std::string list = std::string(text ? text : "") + " ";
	for (size_t at = 0, end; (end = list.find(' ', at)) != std::string::npos; at = end + 1) {
		size_t equals = list.find('=', at);
		if (equals < end) settings[list.substr(at, equals - at)] = list.substr(equals + 1, end - equals - 1);
	}
	return true;
}

const bool begun = begin();

// ready says whether a call may be made on this thread, or fails by itself.
int ready() {
	if (!current) return INVALID_CONTEXT;
	return SUCCESS;
}

// spoil ends a capture with an error.
int spoil(capture &c, int why) { return c.broken = true, why; }

// capturing is the capture of a stream, or null.
capture *capturing(void *s) { return streams.count((stream *)s) ? ((stream *)s)->captured.get() : 0; }

// unsafe says whether a capture forbids calls that it could not see, such as those that allocate memory, on this thread.
int unsafe() {
	for (stream *s : streams) {
		capture *c = s->captured.get();
		if (c && (c->mode == 0 || (c->mode == 1 && pthread_equal(c->thread, pthread_self())))) return spoil(*c, CAPTURE_UNSUPPORTED);
	}
	return SUCCESS;
}

bool blocked(const item &i) { return i.after && i.after->happened < i.count && !i.in->work.empty(); }

// advance does the first work of a stream, and of others what that waits for. The arena must be open.
void advance(stream *s) {
	item i = s->work.front();
	s->work.pop_front();
	while (blocked(i)) advance(i.in);
	if (i.run) i.run();
}

void finish(stream *s) {
	while (!s->work.empty()) advance(s);
}

// hurry begins what is early, where a test asks for that, as soon as it may.
void hurry() {
	if (!stub_setting("early", 0)) return;
	stub_enter();
	for (bool again = true; again;) {
		again = false;
		for (stream *s : streams)
			while (!s->work.empty() && s->work.front().early && !blocked(s->work.front())) again = true, advance(s);
	}
	stub_leave();
}

// push adds work to a stream.
int push(void *to, item i) {
	if (int e = ready()) return e;
	std::lock_guard<std::recursive_mutex> lock(mutex);
	if (!streams.count((stream *)to)) return INVALID_HANDLE;
	if (capture *c = capturing(to)) {
		if (c->broken) return CAPTURE_INVALIDATED;
		if (i.after) return spoil(*c, CAPTURE_ISOLATION); // the event is of a stream that is not captured
		c->nodes.push_back(i.run);
		return failure;
	}
	((stream *)to)->work.push_back(i);
	hurry();
	return failure;
}

std::shared_ptr<event> find(uintptr_t number) {
	auto found = events.find(number);
	return found == events.end() ? 0 : found->second;
}

}

extern "C" {

void stub_set(const char *name, const char *value) {
	std::lock_guard<std::recursive_mutex> lock(mutex);
	settings[name] = value;
	if (strstr(name, "_launch")) launches = runs = 0;
	if (strstr(name, "_allocation")) allocations = 0;
	if (strstr(name, "_copy")) copies = 0;
}

// stub_reset forgets the settings, the record and all failures, but not the memory.
void stub_reset() {
	std::lock_guard<std::recursive_mutex> lock(mutex);
	settings.clear();
	record.clear();
	for (stream *s : streams) s->work.clear();
	loaded.clear();
	late = allocations = copies = launches = runs = failure = uploads = downloads = 0;
}

// stub_log is the record; the next call may change it.
const char *stub_log() {
	static std::string copy;
	std::lock_guard<std::recursive_mutex> lock(mutex);
	copy = record;
	return copy.c_str();
}

// stub_allocated is how many bytes of the device's memory are allocated.
size_t stub_allocated() { return allocated; }

// stub_held counts what was made and not given back: modules, pinned memory, streams, events, contexts, and what other libraries make.
int stub_held() { return (int)(modules.size() + pinned.size() + streams.size() + events.size()) + retained + held; }

void stub_hold(int n) {
	std::lock_guard<std::recursive_mutex> lock(mutex);
	held += n;
}

const char *stub_text(const char *name) {
	std::lock_guard<std::recursive_mutex> lock(mutex);
	auto found = settings.find(name);
	return found == settings.end() ? "" : found->second.c_str();
}

long long stub_setting(const char *name, long long otherwise) {
	const char *text = stub_text(name);
	return *text ? atoll(text) : otherwise;
}

void stub_record(const char *format, ...) {
	char line[512];
	va_list list;
	va_start(list, format);
	vsnprintf(line, sizeof line, format, list);
	va_end(list);
	std::lock_guard<std::recursive_mutex> lock(mutex);
	record += line;
	record += '\n';
	static FILE *file = getenv("GOCLR_STUB_RECORD") ? fopen(getenv("GOCLR_STUB_RECORD"), "a") : 0;
	if (file) fprintf(file, "%s\n", line), fflush(file);
}

void stub_enter() {
	mutex.lock();
	if (visits++ == 0) protect(PROT_READ | PROT_WRITE);
}

void stub_leave() {
	if (--visits == 0) protect(PROT_NONE);
	mutex.unlock();
}

void stub_drain(void *s) {
	std::lock_guard<std::recursive_mutex> lock(mutex);
	stub_enter();
	if (streams.count((stream *)s)) finish((stream *)s);
	hurry();
	stub_leave();
}

int stub_start(void *s, const std::function<void()> &work) {
	std::lock_guard<std::recursive_mutex> lock(mutex);
	if (capture *c = capturing(s)) {
		if (c->broken) return CAPTURE_INVALIDATED;
		c->nodes.push_back(work);
		return (long long)c->nodes.size() == stub_setting("capture_refuse", -1) ? spoil(*c, CAPTURE_UNSUPPORTED) : SUCCESS;
	}
	stub_drain(s);
	stub_enter();
	work();
	stub_leave();
	return SUCCESS;
}

void stub_fault() { failure = ILLEGAL_ADDRESS; }

int stub_is_device(const void *p, size_t bytes) {
	std::lock_guard<std::recursive_mutex> lock(mutex);
	size_t at = (size_t)((const char *)p - arena);
	auto after = blocks.upper_bound(at);
	if (!arena || (const char *)p < arena || after == blocks.begin()) return 0;
	--after;
	return at + bytes <= after->first + after->second;
}

int cuInit(unsigned flags) {
	stub_record("cuInit %u", flags);
	if (stub_setting("devices", 1) == 0) return NO_DEVICE;
	return (int)stub_setting("cuInit", SUCCESS);
}

// cuGetExportTable is asked for by NVIDIA's own NVRTC, should that be loaded too. There is no table.
int cuGetExportTable(const void **table, const void *) { return *table = 0, NOT_FOUND; }

int cuDriverGetVersion(int *version) {
	*version = (int)stub_setting("driver", 13000);
	return SUCCESS;
}

static const struct { int code; const char *name, *meaning; } errors[] = {
	{SUCCESS, "CUDA_SUCCESS", "no error"},
	{INVALID_VALUE, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
	{OUT_OF_MEMORY, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
	{NO_DEVICE, "CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"},
	{INVALID_DEVICE, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
	{INVALID_IMAGE, "CUDA_ERROR_INVALID_IMAGE", "device kernel image is invalid"},
	{INVALID_CONTEXT, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
	{NO_BINARY_FOR_GPU, "CUDA_ERROR_NO_BINARY_FOR_GPU", "no kernel image is available for execution on the device"},
	{UNSUPPORTED_PTX_VERSION, "CUDA_ERROR_UNSUPPORTED_PTX_VERSION", "the provided PTX was compiled with an unsupported toolchain"},
	{INVALID_HANDLE, "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"},
	{NOT_FOUND, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
	{NOT_READY, "CUDA_ERROR_NOT_READY", "device not ready"},
	{ILLEGAL_ADDRESS, "CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"},
	{LAUNCH_OUT_OF_RESOURCES, "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES", "too many resources requested for launch"},
	{LAUNCH_FAILED, "CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"},
	{ILLEGAL_STATE, "CUDA_ERROR_ILLEGAL_STATE", "the operation cannot be performed in the present state"},
	{CAPTURE_UNSUPPORTED, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED", "operation not permitted when stream is capturing"},
	{CAPTURE_INVALIDATED, "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED", "operation failed due to a previous error during capture"},
	{CAPTURE_ISOLATION, "CUDA_ERROR_STREAM_CAPTURE_ISOLATION", "dependency created on uncaptured work in another stream"},
	{CAPTURED_EVENT, "CUDA_ERROR_CAPTURED_EVENT", "operation not permitted on an event last recorded in a capturing stream"},
	{CAPTURE_WRONG_THREAD, "CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD", "attempt to terminate a thread-local capture sequence from another thread"},
	{UNKNOWN, "CUDA_ERROR_UNKNOWN", "unknown error"},
};

int cuGetErrorName(int code, const char **text) {
	for (auto &e : errors)
		if (e.code == code) return *text = e.name, SUCCESS;
	return *text = 0, INVALID_VALUE;
}

int cuGetErrorString(int code, const char **text) {
	for (auto &e : errors)
		if (e.code == code) return *text = e.meaning, SUCCESS;
	return *text = 0, INVALID_VALUE;
}

int cuDeviceGetCount(int *count) {
	*count = (int)stub_setting("devices", 1);
	return SUCCESS;
}

int cuDeviceGet(int *device, int ordinal) {
	if (ordinal < 0 || ordinal >= stub_setting("devices", 1)) return INVALID_DEVICE;
	*device = ordinal;
	return SUCCESS;
}

int cuDeviceGetName(char *name, int bytes, int) {
	snprintf(name, bytes, "NVIDIA Stub");
	return SUCCESS;
}

int cuDeviceGetAttribute(int *value, int attribute, int) {
	if (attribute != 75 && attribute != 76) return INVALID_VALUE;
	*value = attribute == 75 ? (int)stub_setting("major", 9) : (int)stub_setting("minor", 0);
	return SUCCESS;
}

int cuDevicePrimaryCtxRetain(void **context, int device) {
	if (int e = reserve()) return e;
	static char contexts[16];
	*context = &contexts[device];
	retained++;
	return SUCCESS;
}

int cuDevicePrimaryCtxRelease_v2(int) {
	retained--;
	return SUCCESS;
}

int cuCtxSetCurrent(void *context) {
	current = context;
	return SUCCESS;
}

static size_t capacity() { return (size_t)stub_setting("memory", 16ll << 30); }

int stub_load(const char *what) {
	std::lock_guard<std::recursive_mutex> lock(mutex);
	size_t bytes = (size_t)stub_setting("late", 0);
	if (!bytes || loaded.count(what)) return 1;
	if (allocated + late + bytes > capacity()) return 0;
	loaded.insert(what);
	late += bytes;
	return 1;
}

int cuMemGetInfo_v2(size_t *free, size_t *total) {
	if (int e = ready()) return e;
	*total = capacity();
	*free = allocated + late < *total ? *total - allocated - late : 0;
	return failure;
}

int cuMemAlloc_v2(uintptr_t *address, size_t bytes) {
	if (int e = ready()) return e;
	if (!bytes) return INVALID_VALUE;
	std::lock_guard<std::recursive_mutex> lock(mutex);
	if (int e = unsafe()) return e;
	stub_record("cuMemAlloc %zu", bytes);
	if (++allocations == stub_setting("fail_allocation", -1) || allocated + late + bytes > capacity()) return OUT_OF_MEMORY;
	size_t at = 0;
	for (auto &b : blocks) {
		if (at + bytes <= b.first) break;
		at = (b.first + b.second + alignment - 1) & ~(alignment - 1);
	}
	if (at + bytes > reserved) return OUT_OF_MEMORY;
	blocks[at] = bytes;
	allocated += bytes;
	if (at + bytes > used) used = at + bytes;
	stub_enter();
	protect(PROT_READ | PROT_WRITE);
	memset(arena + at, 0xff, bytes < large ? bytes : large);
	stub_leave();
	*address = (uintptr_t)(arena + at);
	return SUCCESS;
}

int cuMemFree_v2(uintptr_t address) {
	if (int e = ready()) return e;
	std::lock_guard<std::recursive_mutex> lock(mutex);
	if (int e = unsafe()) return e;
	for (stream *s : streams) stub_drain(s);
	auto found = blocks.find((size_t)(address - (uintptr_t)arena));
	if (found == blocks.end()) return INVALID_VALUE;
	stub_enter();
	fill((char *)address, 0, found->second);
	stub_leave();
	allocated -= found->second;
	blocks.erase(found);
	return SUCCESS;
}

int cuMemHostAlloc(void **p, size_t bytes, unsigned flags) {
	if (int e = ready()) return e;
	stub_record("cuMemHostAlloc %zu %u", bytes, flags);
	std::lock_guard<std::recursive_mutex> lock(mutex);
	if (int e = unsafe()) return e;
	if ((long long)bytes > stub_setting("pinned", 1ll << 30)) return OUT_OF_MEMORY;
	*p = malloc(bytes);
	pinned.insert(*p);
	return SUCCESS;
}

int cuMemFreeHost(void *p) {
	if (int e = ready()) return e;
	std::lock_guard<std::recursive_mutex> lock(mutex);
	if (!pinned.erase(p)) return INVALID_VALUE;
	free(p);
	return SUCCESS;
}

static int queue(void *stream, bool early, uintptr_t device, size_t bytes, std::function<void()> f) {
	if (!stub_is_device((void *)device, bytes)) return INVALID_VALUE;
	std::lock_guard<std::recursive_mutex> lock(mutex);
	if (++copies == stub_setting("fail_copy", -1)) return UNKNOWN;
	return push(stream, {f, early});
}

int cuMemsetD8Async(uintptr_t to, unsigned char value, size_t bytes, void *stream) {
	return queue(stream, false, to, bytes, [=] { fill((char *)to, value, bytes); });
}

int cuMemcpyHtoDAsync_v2(uintptr_t to, const void *from, size_t bytes, void *stream) {
	stub_record("cuMemcpyHtoDAsync %zu", bytes);
	if (++uploads == stub_setting("interrupt_upload", -1)) kill(getpid(), SIGINT);
	return queue(stream, true, to, bytes, [=] { memcpy((void *)to, from, bytes); });
}

int cuMemcpyDtoHAsync_v2(void *to, uintptr_t from, size_t bytes, void *stream) {
	stub_record("cuMemcpyDtoHAsync %zu", bytes);
	downloads++;
	if (downloads == stub_setting("fill_download", -1)) settings["memory"] = std::to_string(allocated + late);
	if (downloads == stub_setting("fail_download", -1)) failure = (int)stub_setting("failure", ILLEGAL_ADDRESS);
	if (capture *c = capturing(stream))
		if (!pinned.count(to)) return spoil(*c, CAPTURE_UNSUPPORTED);
	return queue(stream, false, from, bytes, [=] { memcpy(to, (void *)from, bytes); });
}

int cuMemcpyDtoDAsync_v2(uintptr_t to, uintptr_t from, size_t bytes, void *stream) {
	stub_record("cuMemcpyDtoDAsync %zu", bytes);
	if (!stub_is_device((void *)to, bytes)) return INVALID_VALUE;
	return queue(stream, false, from, bytes, [=] { memcpy((void *)to, (void *)from, bytes); });
}

int cuStreamCreate(stream **s, unsigned flags) {
	if (int e = ready()) return e;
	stub_record("cuStreamCreate %u", flags);
	std::lock_guard<std::recursive_mutex> lock(mutex);
	streams.insert(*s = new stream);
	return SUCCESS;
}

int cuStreamSynchronize(stream *s) {
	if (int e = ready()) return e;
	std::lock_guard<std::recursive_mutex> lock(mutex);
	if (!streams.count(s)) return INVALID_HANDLE;
	if (capture *c = capturing(s)) return spoil(*c, CAPTURE_UNSUPPORTED);
	stub_drain(s);
	return failure;
}

int cuStreamDestroy_v2(stream *s) {
	if (int e = ready()) return e;
	std::lock_guard<std::recursive_mutex> lock(mutex);
	stub_drain(s);
	if (!streams.erase(s)) return INVALID_HANDLE;
	return SUCCESS; // an event may still name it
}

int cuStreamWaitEvent(stream *s, uintptr_t number, unsigned flags) {
	if (int e = ready()) return e;
	std::lock_guard<std::recursive_mutex> lock(mutex);
	auto e = find(number);
	if (!e || flags) return INVALID_VALUE;
	if (e->captured) return CAPTURED_EVENT; // a real driver would capture s too
	return push(s, {0, true, e, e->recorded, e->in});
}

int cuEventCreate(uintptr_t *number, unsigned) {
	if (int e = ready()) return e;
	std::lock_guard<std::recursive_mutex> lock(mutex);
	events[*number = ++lastEvent] = std::make_shared<event>();
	return SUCCESS;
}

int cuEventRecord(uintptr_t number, stream *s) {
	if (int e = ready()) return e;
	std::lock_guard<std::recursive_mutex> lock(mutex);
	auto e = find(number);
	if (!e) return INVALID_HANDLE;
	e->captured = capturing(s);
	if (e->captured) return SUCCESS;
	e->in = s;
	int count = ++e->recorded;
	return push(s, {[=] { e->happened = count; }, true});
}

int cuEventQuery(uintptr_t number) {
	if (int e = ready()) return e;
	std::lock_guard<std::recursive_mutex> lock(mutex);
	auto e = find(number);
	if (!e) return INVALID_HANDLE;
	if (e->captured) return CAPTURED_EVENT;
	return e->happened < e->recorded ? NOT_READY : failure;
}

int cuEventSynchronize(uintptr_t number) {
	if (int e = ready()) return e;
	stub_record("cuEventSynchronize %d", (int)number);
	std::lock_guard<std::recursive_mutex> lock(mutex);
	auto e = find(number);
	if (!e) return INVALID_HANDLE;
	if (e->captured) return CAPTURED_EVENT;
	stub_enter();
	while (e->happened < e->recorded && !e->in->work.empty()) advance(e->in);
	stub_leave();
	return failure;
}

int cuEventDestroy_v2(uintptr_t number) {
	if (int e = ready()) return e;
	std::lock_guard<std::recursive_mutex> lock(mutex);
	return events.erase(number) ? SUCCESS : INVALID_HANDLE;
}

// extract gets the code of an image that the device can run, as NVRTC has it for an architecture or, to be compiled, for a virtual one.
static int extract(const char *image, std::string &code) {
	int architecture, end = 0, major = (int)stub_setting("major", 9), minor = (int)stub_setting("minor", 0);
	if (sscanf(image, "stub cubin\nsm_%d%n", &architecture, &end) == 1 && image[end] == '\n') {
		if (architecture / 10 != major || architecture % 10 > minor) return NO_BINARY_FOR_GPU;
		uint64_t size;
		memcpy(&size, image + end + 1, sizeof size);
		code.assign(image + end + 1 + sizeof size, size);
		return SUCCESS;
	}
	if (sscanf(image, "stub ptx\ncompute_%d%n", &architecture, &end) == 1 && image[end] == '\n') {
		if (int e = (int)stub_setting("ptx", SUCCESS)) return e;
		if (architecture > 10 * major + minor) return NO_BINARY_FOR_GPU;
		stub_record("compiling compute_%d", architecture);
		for (const char *p = image + end + 1; *p; p += 2) code += (char)((p[0] - 'a') << 4 | (p[1] - 'a'));
		return SUCCESS;
	}
	return INVALID_IMAGE;
}

int cuModuleLoadData(module **m, const void *image) {
	if (int e = ready()) return e;
	std::string code;
	if (int e = extract((const char *)image, code)) return e;
	char file[] = "/tmp/stub-module-XXXXXX";
	int f = mkstemp(file);
	if (f < 0 || write(f, code.data(), code.size()) != (ssize_t)code.size()) return INVALID_IMAGE;
	close(f);
	void *library = dlopen(file, RTLD_NOW | RTLD_LOCAL);
	unlink(file);
	if (!library) {
		stub_record("dlopen: %s", dlerror());
		return INVALID_IMAGE;
	}
	*m = new module{library, file};
	std::lock_guard<std::recursive_mutex> lock(mutex);
	modules.insert(*m);
	return SUCCESS;
}

int cuModuleUnload(module *m) {
	if (int e = ready()) return e;
	std::lock_guard<std::recursive_mutex> lock(mutex);
	if (!modules.erase(m)) return INVALID_HANDLE;
	dlclose(m->library);
	delete m;
	return SUCCESS;
}

// A function is the address of a kernel, with the size of its arguments; the record has its name.
struct function { int (*run)(const void *, int, int, int); std::string name; int bytes; };

int cuModuleGetFunction(function **f, module *m, const char *name) {
	if (int e = ready()) return e;
	void *address = dlsym(m->library, name);
	Dl_info info;
	if (!address || !dladdr(address, &info) || m->file != info.dli_fname) return NOT_FOUND;
	const int *bytes = (const int *)dlsym(m->library, (std::string(name) + "_bytes").c_str());
	*f = new function{(int (*)(const void *, int, int, int))address, name, *bytes};
	return SUCCESS;
}

int cuLaunchKernel(function *f, unsigned x, unsigned y, unsigned z, unsigned bx, unsigned by, unsigned bz, unsigned shared,
	void *stream, void **parameters, void **extra) {
	if (int e = ready()) return e;
	if (!x || !y || x > 0x7fffffff || y > 65535 || z != 1 || bx > 1024 || by != 1 || bz != 1 || shared || !stream || extra || !f)
		return INVALID_VALUE;
	std::lock_guard<std::recursive_mutex> lock(mutex);
	if (failure) return failure;
	if (!stub_load(f->name.c_str())) return OUT_OF_MEMORY;
	stub_record("launch %s %u %u", f->name.c_str(), x, y);
	if (++launches == stub_setting("refuse_launch", -1)) return LAUNCH_OUT_OF_RESOURCES;
	std::string arguments((const char *)parameters[0], f->bytes);
	return stub_start(stream, [=] {
		if (failure) return;
		if (++runs == stub_setting("fail_launch", -1)) failure = (int)stub_setting("failure", ILLEGAL_ADDRESS);
		else if (f->run(arguments.data(), (int)x, (int)y, (int)bx)) failure = LAUNCH_FAILED;
	});
}

int cuStreamBeginCapture_v2(stream *s, int mode) {
	if (int e = ready()) return e;
	std::lock_guard<std::recursive_mutex> lock(mutex);
	stub_record("cuStreamBeginCapture %d", mode);
	if (!streams.count(s)) return INVALID_HANDLE;
	if (mode < 0 || mode > 2) return INVALID_VALUE;
	if (s->captured) return ILLEGAL_STATE;
	if (int e = (int)stub_setting("capture_begin", failure)) return e;
	s->captured = std::make_shared<capture>(capture{mode, false, pthread_self(), {}});
	return SUCCESS;
}

int cuStreamEndCapture(stream *s, graph **g) {
	if (int e = ready()) return e;
	std::lock_guard<std::recursive_mutex> lock(mutex);
	*g = 0;
	capture *c = capturing(s);
	if (!c) return ILLEGAL_STATE;
	if (c->mode != 2 && !pthread_equal(c->thread, pthread_self())) return CAPTURE_WRONG_THREAD;
	std::shared_ptr<capture> ended;
	ended.swap(s->captured);
	stub_record("cuStreamEndCapture %zu", ended->nodes.size());
	if (ended->broken) return CAPTURE_INVALIDATED;
	if (int e = (int)stub_setting("capture_end", failure)) return e;
	*g = new graph(ended->nodes);
	held++;
	return SUCCESS;
}

int cuGraphInstantiateWithFlags(graph **executable, graph *g, unsigned long long flags) {
	if (int e = ready()) return e;
	std::lock_guard<std::recursive_mutex> lock(mutex);
	if (flags) return INVALID_VALUE;
	if (int e = (int)stub_setting("graph_make", failure)) return e;
	*executable = new graph(*g);
	held++;
	return SUCCESS;
}

int cuGraphUpload(graph *, void *) {
	if (int e = ready()) return e;
	return (int)stub_setting("graph_upload", failure);
}

int cuGraphLaunch(graph *g, void *stream) {
	if (int e = ready()) return e;
	std::lock_guard<std::recursive_mutex> lock(mutex);
	if (failure) return failure;
	stub_record("cuGraphLaunch %zu", g->size());
	if (int e = (int)stub_setting("graph_start", SUCCESS)) return e;
	if (capture *c = capturing(stream)) return spoil(*c, CAPTURE_UNSUPPORTED); // a real driver would make it a node
	for (auto &node : *g)
		if (!failure) stub_start(stream, node);
	return SUCCESS;
}

static int destroy(graph *g) {
	if (int e = ready()) return e;
	std::lock_guard<std::recursive_mutex> lock(mutex);
	delete g;
	held--;
	return SUCCESS;
}

int cuGraphExecDestroy(graph *g) {
	stub_record("cuGraphExecDestroy");
	return destroy(g);
}
int cuGraphDestroy(graph *g) { return destroy(g); }

}
