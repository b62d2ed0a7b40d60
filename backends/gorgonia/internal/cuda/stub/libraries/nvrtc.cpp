// Stands for NVRTC: has the host's compiler build a program as emulate.h makes it one of the host.
#include "stub.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace {

struct program {
	std::string name, log, cubin, ptx;
	std::vector<std::pair<std::string, std::string>> files;
};

std::string read(const std::string &file) {
	std::ifstream in(file, std::ios::binary);
	return std::string(std::istreambuf_iterator<char>(in), {});
}

enum { INVALID_OPTION = 5, COMPILATION = 6 };

}

extern "C" {

int nvrtcVersion(int *major, int *minor) {
	*major = STUB_MAJOR;
	*minor = (int)stub_setting("nvrtc_minor", 0);
	return 0;
}

const char *nvrtcGetErrorString(int code) { return code == COMPILATION ? "NVRTC_ERROR_COMPILATION" : "NVRTC_ERROR"; }

int nvrtcGetNumSupportedArchs(int *count) {
	*count = 4;
	return 0;
}

int nvrtcGetSupportedArchs(int *known) {
	const int all[] = {75, 80, 86, 90};
	memcpy(known, all, sizeof all);
	return 0;
}

int nvrtcCreateProgram(program **p, const char *source, const char *name, int headers, const char *const *texts, const char *const *names) {
	*p = new program;
	(*p)->name = name;
	(*p)->files.push_back({name, source});
	for (int i = 0; i < headers; i++) (*p)->files.push_back({names[i], texts[i]});
	return 0;
}

int nvrtcDestroyProgram(program **p) {
	delete *p;
	*p = 0;
	return 0;
}

int nvrtcCompileProgram(program *p, int count, const char *const *options) {
	stub_record("nvrtcCompileProgram %s", p->name.c_str());
	char directory[] = "/tmp/stub-nvrtc-XXXXXX";
	if (!mkdtemp(directory)) return COMPILATION;
	std::string at = std::string(directory) + "/";
	for (auto &f : p->files) std::ofstream(at + f.first, std::ios::binary) << f.second;
	std::string command = std::string("g++ -x c++ -std=c++17 -O2 -fno-gnu-unique -shared -fPIC -w -DEMULATED -I") + stub_text("emulate") + " -I" + directory;
	const std::string option = "--gpu-architecture=";
	std::string architecture;
	for (int i = 0; i < count; i++) {
		std::string o = options[i];
		if (o.rfind("-D", 0) == 0) command += " '" + o + "'";
		if (o.rfind(option, 0) == 0) architecture = o.substr(option.size());
	}
	command += " " + at + p->name + " -o " + at + "out.so 2>" + at + "log";
	int status = system(command.c_str());
	p->log = read(at + "log");
	std::string code = read(at + "out.so");
	for (auto &f : p->files) unlink((at + f.first).c_str());
	unlink((at + "out.so").c_str());
	unlink((at + "log").c_str());
	rmdir(directory);
	bool virtually = architecture.rfind("compute_", 0) == 0;
	if (!virtually && architecture.rfind("sm_", 0)) return INVALID_OPTION;
	if (status || code.empty()) return COMPILATION;
	// PTX is a text, which the driver reads up to its NUL, so the code in it is too.
	p->ptx = "stub ptx\n" + architecture + "\n";
	for (unsigned char c : code) p->ptx += {(char)('a' + (c >> 4)), (char)('a' + (c & 15))};
	if (virtually) return 0;
	uint64_t size = code.size();
	p->cubin = "stub cubin\n" + architecture + "\n" + std::string((const char *)&size, sizeof size) + code;
	return 0;
}

int nvrtcGetProgramLogSize(program *p, size_t *size) {
	*size = p->log.size() + 1;
	return 0;
}

int nvrtcGetProgramLog(program *p, char *log) {
	memcpy(log, p->log.c_str(), p->log.size() + 1);
	return 0;
}

int nvrtcGetCUBINSize(program *p, size_t *size) {
	*size = p->cubin.size();
	return 0;
}

int nvrtcGetCUBIN(program *p, char *cubin) {
	memcpy(cubin, p->cubin.data(), p->cubin.size());
	return 0;
}

int nvrtcGetPTXSize(program *p, size_t *size) {
	*size = p->ptx.size() + 1;
	return 0;
}

int nvrtcGetPTX(program *p, char *ptx) {
	memcpy(ptx, p->ptx.c_str(), p->ptx.size() + 1);
	return 0;
}

}
