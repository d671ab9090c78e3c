import { type Context, Contract } from 'fabric-contract-api'

/** The least that a contract may do. */
export class Assets extends Contract {
  async write(ctx: Context, id: string, value: string): Promise<void> {
    await ctx.stub.putState(id, Buffer.from(value))
  }

  async read(ctx: Context, id: string): Promise<string> {
    return Buffer.from(await ctx.stub.getState(id)).toString()
  }
}
