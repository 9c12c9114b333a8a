// SPDX-License-Identifier: Apache-2.0
// Who and where we are, in AWS's words: one account, one region.
#pragma once

#define ACCOUNT_ID     "000000000000"
#define REGION_DEFAULT "us-east-1"
