// SPDX-License-Identifier: Apache-2.0
// Stands in for NVIDIA's driver library in the test of the device table. FAKE_CUDA: how many GPUs there
// are; "broken": the driver does not start.
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int cuInit(unsigned flags);
int cuDeviceGetCount(int *ret);
int cuDeviceGetName(char *ret, int size, int device);
int cuDeviceTotalMem_v2(size_t *ret, int device);

int cuInit(unsigned flags)
{
    const char *how = getenv("FAKE_CUDA");
    return flags == 0 && how && strcmp(how, "broken") != 0 ? 0 : 100;
}

int cuDeviceGetCount(int *ret)
{
    *ret = (int)strtol(getenv("FAKE_CUDA"), NULL, 10);
    return 0;
}

int cuDeviceGetName(char *ret, int size, int device)
{
    snprintf(ret, (size_t)size, "Fake GPU %d", device);
    return device == 1; // of the second the name is not known
}

int cuDeviceTotalMem_v2(size_t *ret, int device)
{
    *ret = (size_t)(device + 1) << 30;
    return 0;
}
