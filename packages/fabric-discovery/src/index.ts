export * from './endorsement-plan.ts'
