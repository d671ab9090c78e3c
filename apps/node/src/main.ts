#!/usr/bin/env -S node --conditions=@kumiko/source --initial-heap-size=256
import { runProgram } from '@kumiko/terminal'
import { failureOf } from './failure.ts'
import { createProgram } from './program.ts'

await runProgram(createProgram(), failureOf)
