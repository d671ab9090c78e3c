#!/usr/bin/env -S node --conditions=@kumiko/source
import { runProgram } from '@kumiko/terminal'
import { failureOf } from './failure.ts'
import { createProgram } from './program.ts'

await runProgram(createProgram(), failureOf)
