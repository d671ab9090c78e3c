import { type Context, Contract } from 'fabric-contract-api'

/** A contract as its author writes it. */
export class AssetContract extends Contract {
  constructor() {
    super('AssetContract')
  }

  async create(ctx: Context, id: string, owner: string): Promise<void> {
    if ((await ctx.stub.getState(id)).length > 0) throw new Error(`asset ${id} exists`)
    await ctx.stub.putState(id, Buffer.from(owner))
    ctx.stub.setEvent('created', Buffer.from(id))
  }

  async transfer(ctx: Context, id: string, owner: string): Promise<string> {
    const before = await ctx.stub.getState(id)
    if (before.length === 0) throw new Error(`no asset ${id}`)
    await ctx.stub.putState(id, Buffer.from(owner))
    return Buffer.from(before).toString()
  }

  async read(ctx: Context, id: string): Promise<string> {
    return Buffer.from(await ctx.stub.getState(id)).toString()
  }

  async write(ctx: Context, id: string, owner: string): Promise<void> {
    await ctx.stub.putState(id, Buffer.from(owner))
  }

  async whoAmI(ctx: Context): Promise<string> {
    const { clientIdentity } = ctx
    return `${clientIdentity.getMSPID()} ${clientIdentity.getAttributeValue('role') ?? 'none'}`
  }

  async hide(ctx: Context, id: string): Promise<void> {
    const secret = ctx.stub.getTransient().get('secret') ?? new Uint8Array()
    await ctx.stub.putPrivateData('secrets', id, secret)
  }

  async reveal(ctx: Context, id: string): Promise<string> {
    return Buffer.from(await ctx.stub.getPrivateData('secrets', id)).toString()
  }
}
