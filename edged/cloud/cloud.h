/* SPDX-License-Identifier: MIT */
/*
 * The parts of the daemon that every client of a cloud service stands on. All are borrowed and
 * outlive the clients.
 */
#ifndef CLOUD_CLOUD_H
#define CLOUD_CLOUD_H

#include "hsm/hsm.h"
#include "loop/http_client.h"
#include "loop/loop.h"
#include "loop/wall.h"
#include "loop/worker.h"

struct cloud {
    struct loop *loop;
    struct worker *worker;
    struct hsm *hsm;
    struct http_client *http;
    struct wall *wall; /* NULL: the clock is taken as it is (tests, tools) */
};

#endif
