/* A simulated NVIDIA driver: the calls of NVML that this and other meters make, answered from a scenario.
 *
 * The scenario (environment: LABORATORY_DRIVER) is read anew by every nvmlInit. It is a list of series, each of
 * them steps (from_s, return code, value): a call answers with the last step that has begun. Time in seconds comes
 * from the mapped file LABORATORY_CLOCK, a double, or from CLOCK_MONOTONIC where there is none. See nvidia.py, which
 * writes scenarios. Compiled with -DBEFORE_R510 it lacks the calls that came with that release. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { SUCCESS = 0, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, INSUFFICIENT_SIZE = 7, GPU_IS_LOST = 15 };
enum { UNKNOWN = 999 };
enum { POWER_AVERAGE = 185, POWER_INSTANT = 186, TOTAL_ENERGY = 83 };
enum { MOST_GPUS = 64, MOST_SERIES = 32, MOST_MIG = 8 };

typedef struct { double from_s; int code; unsigned long long value; } Step;
typedef struct { char name[32]; int count; Step *steps; } Series;
typedef struct { double from_s, until_s; unsigned pid; } Process;
typedef struct { double at_s; unsigned pid, use; } Use;
typedef struct Gpu Gpu;
typedef struct { Gpu *gpu; char uuid[96]; } Device;
struct Gpu {
    Device whole, mig[MOST_MIG];
    char name[96];
    int series_count, process_count, use_count, load_count, mig_count;
    Series series[MOST_SERIES];
    Process *processes;
    Use *uses, *loads;
};

static Gpu system_wide, gpus[MOST_GPUS];
static int gpu_count;
static double epoch_s;
static char version[80];
static const double *shared_clock;

static double now_s(void) {
    if (shared_clock) return *(volatile const double *)shared_clock;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec + now.tv_nsec * 1e-9;
}

static unsigned long long unix_us(double at_s) { return (unsigned long long)((epoch_s + at_s) * 1e6); }

static void forget(Gpu *gpu) {
    for (int i = 0; i < gpu->series_count; i++) free(gpu->series[i].steps);
    free(gpu->processes);
    free(gpu->uses);
    free(gpu->loads);
    memset(gpu, 0, sizeof *gpu);
    gpu->whole.gpu = gpu;
}

static Use *read_uses(FILE *file, int *count) {
    if (fscanf(file, "%d", count) != 1) return NULL;
    Use *uses = calloc(*count + 1, sizeof *uses);
    for (int i = 0; i < *count; i++)
        if (fscanf(file, "%lf %u %u", &uses[i].at_s, &uses[i].pid, &uses[i].use) != 3) break;
    return uses;
}

static int load_scenario(void) {
    const char *clock_path = getenv("LABORATORY_CLOCK"), *path = getenv("LABORATORY_DRIVER");
    if (clock_path) {
        int descriptor = open(clock_path, O_RDONLY);
        void *mapped = mmap(NULL, sizeof(double), PROT_READ, MAP_SHARED, descriptor, 0);
        close(descriptor);
        if (mapped == MAP_FAILED) return UNKNOWN;
        if (shared_clock) munmap((void *)shared_clock, sizeof(double));
        shared_clock = mapped;
    }
    FILE *file = path ? fopen(path, "r") : NULL;
    if (!file) return UNKNOWN;
    forget(&system_wide);
    for (int i = 0; i < gpu_count; i++) forget(&gpus[i]);
    gpu_count = 0;
    Gpu *gpu = &system_wide;
    char word[32];
    while (fscanf(file, "%31s", word) == 1) {
        if (!strcmp(word, "epoch")) {
            if (fscanf(file, "%lf", &epoch_s) != 1) break;
        } else if (!strcmp(word, "version")) {
            if (fscanf(file, " %79[^\n]", version) != 1) break;
        } else if (!strcmp(word, "gpu")) {
            gpu = &gpus[gpu_count++];
            forget(gpu);
            if (fscanf(file, "%95s %95[^\n]", gpu->whole.uuid, gpu->name) != 2) break;
        } else if (!strcmp(word, "mig")) {
            Device *instance = &gpu->mig[gpu->mig_count++];
            instance->gpu = gpu;
            if (fscanf(file, "%95s", instance->uuid) != 1) break;
        } else if (!strcmp(word, "series")) {
            Series *series = &gpu->series[gpu->series_count++];
            if (fscanf(file, "%31s %d", series->name, &series->count) != 2) break;
            series->steps = calloc(series->count, sizeof(Step));
            for (int i = 0; i < series->count; i++) {
                Step *step = &series->steps[i];
                if (fscanf(file, "%lf %d %llu", &step->from_s, &step->code, &step->value) != 3) break;
            }
        } else if (!strcmp(word, "processes")) {
            if (fscanf(file, "%d", &gpu->process_count) != 1) break;
            gpu->processes = calloc(gpu->process_count + 1, sizeof(Process));
            for (int i = 0; i < gpu->process_count; i++) {
                Process *process = &gpu->processes[i];
                if (fscanf(file, "%lf %lf %u", &process->from_s, &process->until_s, &process->pid) != 3) break;
            }
        } else if (!strcmp(word, "uses")) {
            gpu->uses = read_uses(file, &gpu->use_count);
        } else if (!strcmp(word, "loads")) {
            gpu->loads = read_uses(file, &gpu->load_count);
        }
    }
    fclose(file);
    return SUCCESS;
}

/* While the file LABORATORY_LOST exists, the last GPU is lost. */
static int is_lost(const Gpu *gpu) {
    const char *path = getenv("LABORATORY_LOST");
    return path && gpu_count && gpu == &gpus[gpu_count - 1] && !access(path, F_OK);
}

/* The value of a series now; `otherwise` where the scenario has none of this name. */
static int answer(const Gpu *gpu, const char *name, int otherwise, unsigned long long *value) {
    if (is_lost(gpu)) return GPU_IS_LOST;
    for (int i = 0; i < gpu->series_count; i++) {
        const Series *series = &gpu->series[i];
        if (strcmp(series->name, name)) continue;
        double at_s = now_s();
        int first = 0, last = series->count;
        while (last - first > 1) {
            int middle = (first + last) / 2;
            if (series->steps[middle].from_s <= at_s) first = middle;
            else last = middle;
        }
        if (value) *value = series->steps[first].value;
        return series->steps[first].code;
    }
    return otherwise;
}

static int answer_int(const Device *device, const char *name, unsigned *value) {
    unsigned long long found = 0;
    int code = answer(device->gpu, name, NOT_SUPPORTED, &found);
    *value = (unsigned)found;
    return code;
}

static int copy_text(const char *text, char *out, unsigned length) {
    if (strlen(text) >= length) return INSUFFICIENT_SIZE;
    strcpy(out, text);
    return SUCCESS;
}

int nvmlInitWithFlags(unsigned flags) {
    (void)flags;
    int code = load_scenario();
    return code ? code : answer(&system_wide, "init", SUCCESS, NULL);
}
int nvmlInit_v2(void) { return nvmlInitWithFlags(0); }
int nvmlShutdown(void) { return SUCCESS; }

const char *nvmlErrorString(int code) {
    switch (code) {
    case 1: return "Uninitialized";
    case 2: return "Invalid Argument";
    case 3: return "Not Supported";
    case 4: return "Insufficient Permissions";
    case 6: return "Not Found";
    case 9: return "Driver Not Loaded";
    case 10: return "Timeout";
    case 13: return "Function Not Found";
    case 15: return "GPU is lost";
    case 16: return "GPU requires reset";
    case 18: return "Driver/library version mismatch";
    default: return "Unknown Error";
    }
}

int nvmlSystemGetDriverVersion(char *out, unsigned length) { return copy_text(version, out, length); }

int nvmlSystemGetCudaDriverVersion(int *out) {
    *out = 13000;
    return SUCCESS;
}

int nvmlDeviceGetCount_v2(unsigned *count) {
    *count = gpu_count;
    return answer(&system_wide, "count", SUCCESS, NULL);
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, Device **device) {
    if (index >= (unsigned)gpu_count) return INVALID_ARGUMENT;
    *device = &gpus[index].whole;
    return answer(&gpus[index], "handle", SUCCESS, NULL);
}

int nvmlDeviceGetName(Device *device, char *out, unsigned length) {
    int code = answer(device->gpu, "name", SUCCESS, NULL);
    return code ? code : copy_text(device->gpu->name, out, length);
}

int nvmlDeviceGetUUID(Device *device, char *out, unsigned length) { return copy_text(device->uuid, out, length); }

int nvmlDeviceGetTotalEnergyConsumption(Device *device, unsigned long long *millijoules) {
    return answer(device->gpu, "energy", NOT_SUPPORTED, millijoules);
}

int nvmlDeviceGetPowerUsage(Device *device, unsigned *milliwatts) { return answer_int(device, "usage", milliwatts); }
int nvmlDeviceGetEnforcedPowerLimit(Device *device, unsigned *milliwatts) {
    return answer_int(device, "limit", milliwatts);
}
int nvmlDeviceGetPowerManagementDefaultLimit(Device *device, unsigned *milliwatts) {
    return answer_int(device, "default_limit", milliwatts);
}
int nvmlDeviceGetPowerManagementLimit(Device *device, unsigned *milliwatts) {
    return answer_int(device, "limit", milliwatts);
}
int nvmlDeviceGetTemperature(Device *device, int sensor, unsigned *celsius) {
    (void)sensor;
    return answer_int(device, "temperature", celsius);
}
int nvmlDeviceGetUtilizationRates(Device *device, unsigned percent[2]) {
    percent[1] = 0;
    return answer_int(device, "rates", &percent[0]);
}
int nvmlDeviceGetArchitecture(Device *device, unsigned *architecture) {
    return answer_int(device, "architecture", architecture);
}
int nvmlDeviceGetComputeMode(Device *device, unsigned *mode) { return answer_int(device, "mode", mode); }
int nvmlDeviceGetCurrentClocksThrottleReasons(Device *device, unsigned long long *reasons) {
    return answer(device->gpu, "reasons", NOT_SUPPORTED, reasons);
}
int nvmlDeviceGetMigMode(Device *device, unsigned *current, unsigned *pending) {
    int code = answer_int(device, "mig", current);
    *pending = *current;
    return code;
}
int nvmlDeviceGetMaxMigDeviceCount(Device *device, unsigned *count) {
    *count = device->gpu->mig_count;
    return SUCCESS;
}
int nvmlDeviceGetMigDeviceHandleByIndex(Device *device, unsigned index, Device **instance) {
    if (index >= (unsigned)device->gpu->mig_count) return NOT_FOUND;
    *instance = &device->gpu->mig[index];
    return SUCCESS;
}

int nvmlDeviceGetMemoryInfo(Device *device, unsigned long long memory[3]) {
    int code = answer(device->gpu, "memory", NOT_SUPPORTED, &memory[0]);
    if (code) return code;
    memory[1] = memory[0];
    answer(device->gpu, "free", SUCCESS, &memory[1]);
    memory[2] = memory[0] - memory[1];
    return SUCCESS;
}

typedef struct {
    uint32_t field, scope;
    int64_t timestamp, latency_us;
    unsigned kind;
    int code;
    union { double real; unsigned number; unsigned long long large; } value;
} FieldValue;

int nvmlDeviceGetFieldValues(Device *device, int count, FieldValue *values) {
    int code = answer(device->gpu, "fields", SUCCESS, NULL);
    if (code) return code;
    for (int i = 0; i < count; i++) {
        FieldValue *field = &values[i];
        const char *name = field->field == TOTAL_ENERGY    ? "energy"
                           : field->field == POWER_AVERAGE ? "average"
                           : field->field != POWER_INSTANT ? ""
                           : field->scope == 1             ? "module"
                                                           : "instant";
        unsigned long long value = 0;
        field->code = answer(device->gpu, name, NOT_SUPPORTED, &value);
        field->kind = field->field == TOTAL_ENERGY ? 3 : 1;
        field->value.large = value;
        field->timestamp = (int64_t)unix_us(now_s());
    }
    return SUCCESS;
}

typedef struct { unsigned pid; unsigned long long memory; unsigned instance, compute_instance; } ProcessInfo;

static int running(Device *device, unsigned *room, ProcessInfo *out) {
    int code = answer(device->gpu, "list", SUCCESS, NULL);
    if (code) return code;
    double at_s = now_s();
    unsigned found = 0;
    for (int i = 0; i < device->gpu->process_count; i++) {
        const Process *process = &device->gpu->processes[i];
        if (at_s < process->from_s || at_s >= process->until_s) continue;
        if (out && found < *room) out[found] = (ProcessInfo){process->pid, 1 << 28, ~0u, ~0u};
        found++;
    }
    code = found > (out ? *room : 0) ? INSUFFICIENT_SIZE : SUCCESS;
    *room = found;
    return code;
}

int nvmlDeviceGetComputeRunningProcesses_v2(Device *device, unsigned *room, ProcessInfo *out) {
    return running(device, room, out);
}
#ifndef BEFORE_R510
int nvmlDeviceGetComputeRunningProcesses_v3(Device *device, unsigned *room, ProcessInfo *out) {
    return running(device, room, out);
}
#endif

/* No process draws on the screen. */
int nvmlDeviceGetGraphicsRunningProcesses_v3(Device *device, unsigned *room, ProcessInfo *out) {
    (void)out;
    *room = 0;
    return answer(device->gpu, "list", SUCCESS, NULL);
}

typedef struct { unsigned pid; unsigned long long at_us; unsigned sm, memory, encoder, decoder; } UtilizationSample;

/* As the real one: of every process its latest sample after `since_us`, within what the driver's buffer keeps. */
int nvmlDeviceGetProcessUtilization(
    Device *device, UtilizationSample *out, unsigned *room, unsigned long long since_us) {
    int code = answer(device->gpu, "utilization", SUCCESS, NULL);
    if (code) return code;
    unsigned found = 0;
    double at_s = now_s();
    for (int i = device->gpu->use_count - 1; i >= 0; i--) {
        const Use *use = &device->gpu->uses[i];
        if (use->at_s > at_s || unix_us(use->at_s) <= since_us) continue;
        int later = 0;
        for (int j = i + 1; j < device->gpu->use_count && device->gpu->uses[j].at_s <= at_s; j++)
            later |= device->gpu->uses[j].pid == use->pid;
        if (later) continue;
        if (out && found < *room) out[found] = (UtilizationSample){use->pid, unix_us(use->at_s), use->use, 0, 0, 0};
        found++;
    }
    if (!found) return NOT_FOUND;
    code = found > (out ? *room : 0) ? INSUFFICIENT_SIZE : SUCCESS;
    *room = found;
    return code;
}

typedef struct { unsigned long long at_us; union { double real; unsigned number; } value; } Sample;

int nvmlDeviceGetSamples(
    Device *device, int kind, unsigned long long since_us, unsigned *value_kind, unsigned *room, Sample *out) {
    (void)kind;
    unsigned found = 0;
    double at_s = now_s();
    for (int i = 0; i < device->gpu->load_count; i++) {
        const Use *load = &device->gpu->loads[i];
        if (load->at_s > at_s || unix_us(load->at_s) <= since_us) continue;
        if (out && found < *room) out[found] = (Sample){unix_us(load->at_s), {.number = load->use}};
        found++;
    }
    *value_kind = 1;
    *room = found;
    return found ? SUCCESS : NOT_FOUND;
}
