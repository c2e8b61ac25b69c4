package main

import "C" // for slack.c
