/* A stand-in for NVIDIA's libnvidia-ml.so.1, so that the real Python bindings run without a GPU.
 *
 * Every call reads the file named by NVML_STANDIN: lines "key value".  Keys: init, count, hang (while it is 1 every
 * call blocks), xids ("gpu:xid gpu:xid", each delivered once per event set), and per GPU n: n.uuid n.name n.total
 * n.used n.temperature n.utilization n.clock n.ecc n.processes ("pid:bytes pid:bytes"), n.error.WHAT (an NVML error
 * code in place of an answer), n.old 1 (a driver that has the second form of the process list only).
 * Structures and numbers follow nvml.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OK 0
#define INVALID_ARGUMENT 2
#define NOT_SUPPORTED 3
#define INSUFFICIENT_SIZE 7
#define TIMEOUT 10
#define FUNCTION_NOT_FOUND 13

typedef void *device_t;
typedef struct { unsigned long long total, free, used; } memory_t;
typedef struct { unsigned int gpu, memory; } utilization_t;
typedef struct { unsigned int pid; unsigned long long used; unsigned int gpu_instance, compute_instance; } process_t;
typedef struct { device_t device; unsigned long long type, data; unsigned int gpu_instance, compute_instance; } event_t;

static int delivered;

static int lookup(const char *key, char *value, size_t size)
{
    char line[4096];
    const char *path = getenv("NVML_STANDIN");
    size_t length = strlen(key);
    FILE *file = path ? fopen(path, "r") : NULL;
    int found = 0;
    while (file && !found && fgets(line, sizeof line, file)) {
        if (strncmp(line, key, length) == 0 && line[length] == ' ') {
            line[strcspn(line, "\n")] = 0;
            snprintf(value, size, "%s", line + length + 1);
            found = 1;
        }
    }
    if (file) fclose(file);
    return found;
}

static long long number(const char *key, long long otherwise)
{
    char value[64];
    return lookup(key, value, sizeof value) ? atoll(value) : otherwise;
}

static void wait_while_hanging(void)
{
    while (number("hang", 0)) usleep(5000);
}

static int of_gpu(device_t device, const char *what, char *value, size_t size)
{
    char key[64];
    snprintf(key, sizeof key, "%d.%s", (int)(size_t)device - 1, what);
    return lookup(key, value, size);
}

static int failure(device_t device, const char *what)
{
    char key[64], value[64];
    wait_while_hanging();
    snprintf(key, sizeof key, "error.%s", what);
    return of_gpu(device, key, value, sizeof value) ? atoi(value) : OK;
}

static int answer(device_t device, const char *what, unsigned int *into)
{
    char value[64];
    int failed = failure(device, what);
    if (failed) return failed;
    if (!of_gpu(device, what, value, sizeof value)) return NOT_SUPPORTED;
    *into = (unsigned int)atoll(value);
    return OK;
}

static int text(device_t device, const char *what, char *into, unsigned int size)
{
    int failed = failure(device, what);
    if (failed) return failed;
    return of_gpu(device, what, into, size) ? OK : NOT_SUPPORTED;
}

int nvmlInitWithFlags(unsigned int flags) { (void)flags; wait_while_hanging(); return (int)number("init", 0); }
int nvmlShutdown(void) { return OK; }
const char *nvmlErrorString(int code) { return code == 999 ? "Unknown Error" : code == 15 ? "GPU is lost" : "Stand-in Error"; }

int nvmlDeviceGetCount_v2(unsigned int *count)
{
    wait_while_hanging();
    *count = (unsigned int)number("count", 0);
    return (int)number("error.count", 0);
}

int nvmlDeviceGetHandleByIndex_v2(unsigned int index, device_t *device)
{
    *device = (device_t)(size_t)(index + 1);
    return index < number("count", 0) ? failure(*device, "handle") : INVALID_ARGUMENT;
}

int nvmlDeviceGetIndex(device_t device, unsigned int *index) { *index = (unsigned int)(size_t)device - 1; return OK; }
int nvmlDeviceGetUUID(device_t device, char *uuid, unsigned int size) { return text(device, "uuid", uuid, size); }
int nvmlDeviceGetName(device_t device, char *name, unsigned int size) { return text(device, "name", name, size); }

int nvmlDeviceGetMemoryInfo(device_t device, memory_t *memory)
{
    char total[64], used[64];
    int failed = failure(device, "memory");
    if (failed) return failed;
    if (!of_gpu(device, "total", total, sizeof total) || !of_gpu(device, "used", used, sizeof used)) return NOT_SUPPORTED;
    memory->total = (unsigned long long)atoll(total);
    memory->used = (unsigned long long)atoll(used);
    memory->free = memory->total - memory->used;
    return OK;
}

int nvmlDeviceGetTemperature(device_t device, int sensor, unsigned int *degrees)
{
    (void)sensor;
    return answer(device, "temperature", degrees);
}

int nvmlDeviceGetUtilizationRates(device_t device, utilization_t *rates)
{
    rates->memory = 0;
    return answer(device, "utilization", &rates->gpu);
}

int nvmlDeviceGetClockInfo(device_t device, int kind, unsigned int *mhz) { (void)kind; return answer(device, "clock", mhz); }

int nvmlDeviceGetTotalEccErrors(device_t device, int error, int counter, unsigned long long *count)
{
    unsigned int found = 0;
    int failed = answer(device, "ecc", &found);
    (void)error; (void)counter;
    *count = found;
    return failed;
}

static int processes(device_t device, unsigned int *count, process_t *into)
{
    char value[4096], *word, *rest = value;
    unsigned int found = 0, room = *count;
    int failed = failure(device, "processes");
    if (failed) return failed;
    if (!of_gpu(device, "processes", value, sizeof value)) value[0] = 0;
    while ((word = strsep(&rest, " ")) != NULL) {
        if (!*word) continue;
        if (into && found < room) {
            char *colon = strchr(word, ':');
            memset(&into[found], 0, sizeof into[found]);
            into[found].pid = (unsigned int)atoi(word);
            into[found].used = colon ? strtoull(colon + 1, NULL, 10) : ~0ULL;
        }
        found++;
    }
    *count = found;
    return found > (into ? room : 0) ? INSUFFICIENT_SIZE : OK;
}

int nvmlDeviceGetComputeRunningProcesses_v3(device_t device, unsigned int *count, process_t *into)
{
    char value[8];
    return of_gpu(device, "old", value, sizeof value) ? FUNCTION_NOT_FOUND : processes(device, count, into);
}

int nvmlDeviceGetComputeRunningProcesses_v2(device_t device, unsigned int *count, process_t *into)
{
    return processes(device, count, into);
}

int nvmlEventSetCreate(void **set) { delivered = 0; *set = &delivered; return (int)number("error.events", 0); }
int nvmlEventSetFree(void *set) { (void)set; return OK; }
int nvmlDeviceRegisterEvents(device_t device, unsigned long long types, void *set)
{
    (void)types; (void)set;
    return failure(device, "register");
}

int nvmlEventSetWait_v2(void *set, event_t *event, unsigned int timeout_ms)
{
    char value[1024], *word, *rest = value;
    int seen = 0;
    (void)set; (void)timeout_ms;
    if (!lookup("xids", value, sizeof value)) return TIMEOUT;
    while ((word = strsep(&rest, " ")) != NULL) {
        char *colon = strchr(word, ':');
        if (!colon || seen++ < delivered) continue;
        delivered++;
        memset(event, 0, sizeof *event);
        event->device = (device_t)(size_t)(atoi(word) + 1);
        event->type = 8;
        event->data = strtoull(colon + 1, NULL, 10);
        return OK;
    }
    return TIMEOUT;
}
