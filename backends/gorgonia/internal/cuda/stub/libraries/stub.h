// What the libraries that stand for CUDA's share: a device's memory that only they can read, and a record of the calls.
#ifndef STUB_H
#define STUB_H

#include <stddef.h>

extern "C" {
// stub_enter lets the calling library read and write the device's memory until stub_leave; calls nest.
void stub_enter();
void stub_leave();
// stub_drain does the work that is still to be done in a stream, and what that waits for in others.
void stub_drain(void *stream);
// stub_record adds a line to the record of calls, as printf does.
void stub_record(const char *format, ...) __attribute__((format(printf, 1, 2)));
// stub_setting is the number that a test gave a name, or another one.
long long stub_setting(const char *name, long long otherwise);
// stub_text is the text that a test gave a name, or "".
const char *stub_text(const char *name);
// stub_is_device says whether bytes from p on lie in memory that was allocated on the device.
int stub_is_device(const void *p, size_t bytes);
// stub_load takes the memory for something that is loaded when it first computes; 0: there is not enough.
int stub_load(const char *what);
// stub_hold counts something that was made, or with -1 given back.
void stub_hold(int n);
}

// A Visit is a stretch of code that may use the device's memory, after the work before it in the stream.
struct Visit {
	explicit Visit(void *stream) {
		stub_drain(stream);
		stub_enter();
	}
	~Visit() { stub_leave(); }
};

#endif
