/* Runs a program that cannot make memory executable, as under systemd's MemoryDenyWriteExecute=. */
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#endif

int main(int count, char **words) {
    if (count < 2) {
        return 64;
    }
    /* A kernel without this feature runs the program as any other. */
    prctl(PR_SET_MDWE, 1UL, 0UL, 0UL, 0UL);
    execv(words[1], words + 1);
    perror(words[1]);
    return 127;
}
